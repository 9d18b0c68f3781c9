"""The result of a curation in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .decisions import Decisions
from .queries import QueryClass
from .reasons import EXPLANATIONS, Reason
from .settings import CurationSettings
from .truth import entropy, purity

_NAMED = 20
"""Number of videos with metadata problems to name; the manifest names all of them."""


def summarise(decisions: Decisions, queries: Sequence[QueryClass], settings: CurationSettings) -> dict[str, Any]:
    """Counts and distributions as plain data.

    Args:
        decisions: The verdicts.
        queries: The classes.
        settings: The settings of the curation.

    Returns:
        ``settings``; ``clips``, ``kept`` and ``would_curate``; ``reasons`` (count and explanation of each that occurs);
        ``classes`` (a row for each class named by any clip: candidates, confirmed, kept, short); ``cap``;
        ``classes_asked``, ``classes_named``, ``classes_kept``, ``classes_short``; entropies in bits of the named
        classes before and after; ``metadata_problems`` (videos with missing or unreadable metadata) and some of them by
        name; ``truth`` if the true classes are known (micro-world).
    """
    rows = decisions.rows
    counts = Counter(row.reason for row in rows)
    before = Counter(row.query for row in rows if row.query is not None)
    after = Counter(row.query for row in rows if row.kept and row.query is not None)
    classes = [
        {
            "class": queries[query].name,
            "candidates": before[query],
            "confirmed": decisions.confirmed[query],
            "kept": after[query],
            "short": max(0, decisions.cap - decisions.confirmed[query]),
        }
        for query in sorted(before, key=lambda q: (-before[q], q))
    ]
    # Unreadable metadata first, because the user can fix these; missing ones usually cannot be found.
    videos = sorted((row.seen.video for row in rows), key=lambda video: not video.unread)
    notes = {video.path: video.note for video in videos if video.note}
    result: dict[str, Any] = {
        "settings": asdict(settings),
        "videos": len({row.seen.video.path for row in rows}),
        "clips": len(rows),
        "kept": sum(row.kept for row in rows),
        "would_curate": decisions.curated,
        "reasons": [
            {"reason": reason.value, "clips": counts[reason], "meaning": EXPLANATIONS[reason]}
            for reason in Reason
            if counts[reason]
        ],
        "cap": decisions.cap,
        "classes_asked": len(queries),
        "classes_named": len(before),
        "classes_kept": len(after),
        "classes_short": sum(1 for query in range(len(queries)) if decisions.confirmed[query] < decisions.cap),
        "entropy_before": round(entropy(before.values()), 4),
        "entropy_after": round(entropy(after.values()), 4),
        "classes": classes,
        "metadata_problems": len(notes),
        "metadata_problem_examples": [{"video": video, "problem": notes[video]} for video in list(notes)[:_NAMED]],
    }
    truth = _truth(decisions)
    return {**result, "truth": truth} if truth else result


def _truth(decisions: Decisions) -> dict[str, Any]:
    """Balance and purity by the true classes of clips, if the source knows them."""
    with_truth = [row for row in decisions.rows if "micro" in row.seen.facts]
    if not with_truth:
        return {}
    result: dict[str, Any] = {}
    for name, rows in (("before", with_truth), ("after", [row for row in with_truth if row.kept])):
        true_classes = [int(row.seen.facts["micro"]["class"]) for row in rows]
        share = purity([row.query for row in rows], true_classes)
        result[f"entropy_{name}"] = round(entropy(Counter(s for s in true_classes if s >= 0).values()), 4)
        result[f"purity_{name}"] = None if share is None else round(share, 4)
        result[f"empty_{name}"] = sum(s < 0 for s in true_classes)
    return result
