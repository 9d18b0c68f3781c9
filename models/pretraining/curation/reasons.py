"""Reasons to keep or drop a clip, in the order in which they are checked."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The verdict on a clip in the manifest: the first of these that applies."""

    UNREADABLE = "unreadable"
    METADATA_UNREADABLE = "metadata-unreadable"
    NO_METADATA = "no-metadata"
    NO_CLASS = "no-class"
    TOO_SHORT = "too-short"
    UNCONFIRMED = "unconfirmed"
    DUPLICATE_OF_EVALUATION = "duplicate-of-evaluation"
    DUPLICATE = "duplicate"
    OVER_QUOTA = "over-quota"
    KEPT = "kept"
    SAMPLED = "sampled"
    NOT_SAMPLED = "not-sampled"


EXPLANATIONS: dict[Reason, str] = {
    Reason.UNREADABLE: "the video, or the requested frames, cannot be decoded",
    Reason.METADATA_UNREADABLE: "it has a metadata file that cannot be read; the manifest says why",
    Reason.NO_METADATA: "it has no metadata file",
    Reason.NO_CLASS: "title, tags and other searched fields name no class",
    Reason.TOO_SHORT: "shorter than the shortest clip allowed",
    Reason.UNCONFIRMED: "the classifier does not find the class named in the metadata",
    Reason.DUPLICATE_OF_EVALUATION: "nearly identical to an evaluation image",
    Reason.DUPLICATE: "nearly identical to an earlier clip",
    Reason.OVER_QUOTA: "its class already has enough clips",
    Reason.KEPT: "confirmed, and within the quota of its class",
    Reason.SAMPLED: "drawn at random for the uncurated ablation",
    Reason.NOT_SAMPLED: "not drawn for the uncurated ablation",
}
"""Explanation of each reason, for the page and the documentation."""
