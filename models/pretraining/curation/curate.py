"""The stages in their order, on a source, with a classifier, in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...model import Model
from .decisions import Decisions, Seen, clips_of, decide, long_enough
from .evidence import ClipEvidence, EvidenceFolder, VideoEvidence, clips_key, length_key
from .examining import Classifier, Look, examine
from .frames import UnreadableVideoError
from .matching import Matcher
from .queries import QueryClass
from .settings import CurationSettings
from .sources import Source

Stage = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, what is worked on)."""


@dataclass(frozen=True)
class Curation:
    """What `curate` did.

    Attributes:
        decisions: The verdicts.
        examined: Videos that were looked at now; the others were known from an earlier run, or not worth a look.
        contents: Digest of each video that can be read, by its path.
    """

    decisions: Decisions
    examined: int
    contents: Mapping[str, str]


def curate(
    source: Source,
    queries: tuple[QueryClass, ...],
    model: Callable[[], Model],
    identity: str,
    settings: CurationSettings,
    evaluation: Mapping[str, int],
    folder: Path,
    stage: Stage,
    batch: int = 50,
) -> Curation:
    """Curate a source. What an earlier run in the same folder has seen is not looked at again.

    Args:
        source: The videos.
        queries: The classes to search for.
        model: Loads the classifier, which happens only if there is something to look at.
        identity: The classifier's.
        settings: All choices.
        evaluation: Perceptual hashes of evaluation images by name; may be empty.
        folder: Keeps ``evidence/`` and ``hashes.json``.
        stage: Told of progress.
        batch: Frames per forward pass.

    Raises:
        DataError: The folder cannot be written.
    """
    kept = EvidenceFolder(folder / "evidence")
    contents = source.digests(folder / "hashes.json", lambda done, total: stage("Reading files", done, total, ""))
    matcher = Matcher(queries)
    matches = {video.path: matcher.find(video.metadata, settings.fields) for video in source.videos}
    lengths = _lengths(source, contents, kept, stage)

    found: dict[str, VideoEvidence] = {}
    looks: list[Look] = []
    for video in source.videos:
        known = lengths[video.path]
        # The ablation may draw clips of no class too, and must not draw evaluation images either.
        wanted = bool(matches[video.path]) or (settings.uncurated and bool(evaluation))
        if known.problem or not wanted:
            found[video.path] = known
            continue
        before = kept.read(clips_key(contents[video.path], settings, identity))
        if before is not None:
            found[video.path] = before
            continue
        clips = {i: clip for i, clip in enumerate(clips_of(known, settings)) if long_enough(clip, settings)}
        if clips:
            looks.append(Look(video.path, clips))
        else:
            found[video.path] = known

    if looks:
        total, done = sum(len(look.clips) for look in looks), 0

        def seen(path: str, clips: dict[int, ClipEvidence], lasting: bool) -> None:
            nonlocal done
            found[path] = VideoEvidence(lengths[path].seconds, "", clips)
            if lasting:
                kept.write(clips_key(contents[path], settings, identity), found[path])
            done += len(clips)
            stage("Looking at clips", done, total, path)

        stage("Looking at clips", 0, total, "")
        examine(source, looks, Classifier(model(), settings.top_k, batch), settings, seen)

    stage("Deciding", 0, 1, "")
    collection = [Seen(v, matches[v.path], found[v.path], source.facts(v.path)) for v in source.videos]
    decisions = decide(collection, queries, settings, evaluation)
    stage("Deciding", 1, 1, "")
    return Curation(decisions, len(looks), contents)


def _lengths(
    source: Source, contents: Mapping[str, str], kept: EvidenceFolder, stage: Stage
) -> dict[str, VideoEvidence]:
    """Every video's length, or why it cannot be opened."""
    found: dict[str, VideoEvidence] = {}
    for number, video in enumerate(source.videos, start=1):
        if video.problem or video.path not in contents:
            found[video.path] = VideoEvidence(problem=video.problem or "the file cannot be read")
            continue
        key = length_key(contents[video.path])
        known = kept.read(key)
        if known is None:
            lasting = True
            try:
                known = VideoEvidence(source.duration(video.path))
            except UnreadableVideoError as error:
                known, lasting = VideoEvidence(problem=str(error)), not error.transient
            if lasting:
                kept.write(key, known)
        found[video.path] = known
        stage("Opening videos", number, len(source.videos), video.path)
    return found
