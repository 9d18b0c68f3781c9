"""What the tasks of several data sets share: cells, papers, and the usual values of a task on photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .. import kinds
from ..alignment.experiments import AlignmentSet
from ..corruptions import SEVERITIES
from ..download.publication import RemoteFile
from ..saliency.protocol import SMOOTHGRAD_SAMPLES, MapProtocol
from ..task import Condition, Task

CLEAN = (Condition("clean"),)

IMAGENET_C_PAPER = (
    "Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019 "
    "(arXiv 1903.12261)"
)
C_BAR_PAPER = (
    "Mintun et al., On Interaction Between Augmentations and Corruptions in Natural Corruption Robustness, "
    "NeurIPS 2021 (arXiv 2102.11273)"
)
THREE_D_PAPER = "Kar et al., 3D Common Corruptions and Data Augmentation, CVPR 2022 (arXiv 2203.01441)"
LAION_C_PAPER = (
    "Li, Klein, Brendel, Geirhos & Zimmermann, LAION-C: An Out-of-Distribution Benchmark for Web-Scale Vision Models, "
    "ICML 2025 (arXiv 2506.16950)"
)
IMAGENET_A_PAPER = "Hendrycks et al., Natural Adversarial Examples, CVPR 2021 (arXiv 1907.07174)"
CUE_CONFLICT_PAPER = "Geirhos et al., ImageNet-trained CNNs are biased towards texture, ICLR 2019 (arXiv 1811.12231)"
HUMAN_PAPER = (
    "Geirhos et al., Partial success in closing the gap between human and machine vision, NeurIPS 2021 "
    "(arXiv 2106.07411)"
)
DAVIS_2017_PAPER = "Pont-Tuset et al., The 2017 DAVIS challenge on video object segmentation, arXiv:1704.00675"
DINO_PAPER = "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021 (arXiv 2104.14294)"
FCOS_PAPER = "Tian et al., FCOS: A simple and strong anchor-free object detector, TPAMI 2020 (arXiv 2006.09214)"
HUMMINGBIRD_PAPER = "Balazevic et al., Towards in-context scene understanding, NeurIPS 2023 (arXiv 2306.01667)"
DINOV2_PAPER = "Oquab et al., DINOv2: Learning robust visual features without supervision, 2023 (arXiv 2304.07193)"
VID_ROBUST_PAPER = "Shankar et al., Do Image Classifiers Generalize Across Time?, ICCV 2021 (arXiv 1906.02168)"
"""Papers whose protocols tasks of the micro-world follow too."""

FROM_THE_WEB = "web"
"""`DataSet.images_from` of images that were found by image searches or on Flickr: crawls of the web hold them too."""

NOT_RESIZED = (
    "Published images of 224 pixels are not resized for a model that wants 224; for others they are resized to just "
    "its input size."
)


def graded(names: Sequence[str], variant: str = "raw") -> tuple[Condition, ...]:
    """Every corruption at every severity.

    Args:
        names: The corruptions.
        variant: See `Condition.variant`.
    """
    return tuple(Condition(name, severity, variant) for name in names for severity in SEVERITIES)


def photographs(kind: kinds.Kind, name: str, title: str, **more: Any) -> Task:
    """A task for models of ImageNet's 1,000 classes, measured against ``imagenet-val``.

    Args:
        kind: What is stored and measured.
        name: What the user types.
        title: Heading in tables.
        more: Other fields of `Task`. Without ``dataset`` and ``citation`` the task takes those of the `DataSet` that
            declares it.
    """
    usual: dict[str, Any] = {
        "version": 1,
        "world": "photographs",
        "label_space": "imagenet-1k",
        "dataset": "",
        "images": None,
        "clean": "imagenet-val",
    }
    return Task(name=name, title=title, kind=kind, **(usual | more))


def shift(name: str, title: str, **more: Any) -> Task:
    """A task that shows the images of a set as they are; see `photographs`."""
    return photographs(kinds.SHIFT, name, title, conditions=(Condition("shift"),), **more)


def of_features(kind: kinds.Kind, name: str, title: str, **more: Any) -> Task:
    """A task for encoders on photographs: it asks for no classes; see `photographs`."""
    return photographs(kind, name, title, label_space="none", clean=None, **more)


def map_tasks(name: str, title: str, protocol: MapProtocol, **more: Any) -> tuple[Task, Task]:
    """Two saliency tasks on the same images: one of gradients and attention masks, one of SmoothGrad.

    Args:
        name: Name of the first; the second adds ``-smoothgrad``.
        title: What the images are called in tables.
        protocol: Reference maps, without samples.
        more: Other fields of `Task`.
    """
    usual: dict[str, Any] = {"version": 1, "kind": kinds.SALIENCY, "conditions": CLEAN, "metric": "alignment"}
    plain = Task(name=name, title=f"{title} saliency", maps=protocol, **(usual | more))
    smoothed = replace(
        plain,
        name=f"{name}-smoothgrad",
        title=f"{title} saliency, SmoothGrad",
        maps=replace(protocol, samples=SMOOTHGRAD_SAMPLES),
    )
    return plain, smoothed


def stimuli(name: str, experiment: AlignmentSet, against: str, version: int = 1, **more: Any) -> Task:
    """A task of human alignment, whose stimuli are each shown in one condition.

    Args:
        name: What the user types.
        experiment: What people did.
        against: The observers that models are compared with; ends the title.
        version: Of the protocol and its stimuli.
        more: Other fields of `Task`.
    """
    conflict = experiment.cues == "conflict"
    return Task(
        name=name,
        title=f"{experiment.title}, {against}",
        version=version,
        kind=kinds.ALIGNMENT,
        dataset="",
        images=None,
        conditions=(Condition("stimuli"),),
        metric="shape_bias" if conflict else "error_consistency",
        citation=f"{HUMAN_PAPER}; {CUE_CONFLICT_PAPER}" if conflict else HUMAN_PAPER,
        **more,
    )


def zenodo(record: int, name: str, md5: str, size: int | None = None, sha256: str | None = None) -> RemoteFile:
    """A file of a Zenodo record; see `RemoteFile`."""
    return RemoteFile(f"https://zenodo.org/records/{record}/files/{name}?download=1", name, size, md5, sha256)
