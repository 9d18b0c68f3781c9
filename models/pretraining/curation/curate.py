"""Run the stages of curation in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...model import Model
from .decisions import Decisions, Seen, clips_of, decide, long_enough
from .evidence import ClipEvidence, EvidenceFolder, VideoEvidence, clips_key, length_key
from .examining import Classifier, Look, examine
from .queries import Matcher, QueryClass
from .settings import CurationSettings
from .sources import Source, UnreadableVideoError

Stage = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, current item)."""


@dataclass(frozen=True)
class Curation:
    """The result of `curate`.

    Attributes:
        decisions: The verdicts.
        examined: Number of videos examined in this run; the others had cached evidence, or needed none.
        contents: Digest of each readable video, by its path.
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
    """Curate a source. Evidence from an earlier run in the same folder is reused.

    Args:
        source: The videos.
        queries: The classes to search for.
        model: Loads the classifier; only called if there are clips to examine.
        identity: Identity of the classifier.
        settings: Thresholds and quotas.
        evaluation: Perceptual hashes of evaluation images by name; may be empty.
        folder: Folder for ``evidence/`` and ``hashes.json``.
        stage: Called with progress.
        batch: Frames per forward pass.

    Raises:
        DataError: The folder cannot be written.
    """
    cache = EvidenceFolder(folder / "evidence")
    contents = source.digests(
        folder / "hashes.json", lambda clips_done, total: stage("Reading files", clips_done, total, "")
    )
    matcher = Matcher(queries)
    matches = {video.path: matcher.find(video.metadata, settings.fields) for video in source.videos}
    lengths = _lengths(source, contents, cache, stage)

    evidence: dict[str, VideoEvidence] = {}
    looks: list[Look] = []
    for video in source.videos:
        length = lengths[video.path]
        # The ablation may also draw clips without a class, and these must be compared with the evaluation images, too.
        worthwhile = bool(matches[video.path]) or (settings.uncurated and bool(evaluation))
        if length.problem or not worthwhile:
            evidence[video.path] = length
            continue
        cached = cache.read(clips_key(contents[video.path], settings, identity))
        if cached is not None:
            evidence[video.path] = cached
            continue
        clips = {i: clip for i, clip in enumerate(clips_of(length, settings)) if long_enough(clip, settings)}
        if clips:
            looks.append(Look(video.path, clips))
        else:
            evidence[video.path] = length

    if looks:
        total, clips_done = sum(len(look.clips) for look in looks), 0

        def seen(path: str, clips: dict[int, ClipEvidence], lasting: bool) -> None:
            nonlocal clips_done
            evidence[path] = VideoEvidence(lengths[path].seconds, "", clips)
            if lasting:
                cache.write(clips_key(contents[path], settings, identity), evidence[path])
            clips_done += len(clips)
            stage("Looking at clips", clips_done, total, path)

        stage("Looking at clips", 0, total, "")
        examine(source, looks, Classifier(model(), settings.top_k, batch), settings, seen)

    stage("Deciding", 0, 1, "")
    collection = [Seen(v, matches[v.path], evidence[v.path], source.facts(v.path)) for v in source.videos]
    decisions = decide(collection, queries, settings, evaluation)
    stage("Deciding", 1, 1, "")
    return Curation(decisions, len(looks), contents)


def _lengths(
    source: Source, contents: Mapping[str, str], cache: EvidenceFolder, stage: Stage
) -> dict[str, VideoEvidence]:
    """The length of every video, or why it cannot be opened."""
    lengths: dict[str, VideoEvidence] = {}
    for number, video in enumerate(source.videos, start=1):
        if video.problem or video.path not in contents:
            lengths[video.path] = VideoEvidence(problem=video.problem or "the file cannot be read")
            continue
        key = length_key(contents[video.path])
        length = cache.read(key)
        if length is None:
            lasting = True
            try:
                length = VideoEvidence(source.duration(video.path))
            except UnreadableVideoError as error:
                length, lasting = VideoEvidence(problem=str(error)), not error.transient
            if lasting:
                cache.write(key, length)
        lengths[video.path] = length
        stage("Opening videos", number, len(source.videos), video.path)
    return lengths
