"""The description of a model, which is known before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import CheckpointError, unknown_name
from ..identity import OMITTED_IF_DEFAULT, digest
from ..tasks.images.geometry import Geometry
from .training_data import TRAINING_CLASSES, UNKNOWN

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

TIMM_WEIGHTS, SIZE, RESIZE = "timm_weights", "size", "resize"
"""Keys of a description's ``extra``: timm's name of the weights, ``ARCHITECTURE.TAG``, if timm has them, which size was
chosen for the images, where there was a choice, and to how many pixels they are resized before, if that was chosen."""

WEIGHTS_NOTE = "weights_note"
"""Key of `ModelSpec.note` in a description's ``extra``."""

IMPORTED = "imported"
"""`ModelSpec.source` of a model whose predictions were made elsewhere: it stands in a store and never runs."""

PRECISIONS = ("float32", "bfloat16", "float16")
"""Floating-point types that a network can compute in; float16 only on a GPU."""


@dataclass(frozen=True)
class Preprocessing:
    """How a photograph becomes the model's input.

    The geometric part (resize, crop) happens once on pixels, before any corruption; the normalisation happens inside
    the model, after it.

    Attributes:
        size: Side of the square input, in pixels.
        resize: Shorter side after resizing and before the centre crop, in pixels. With ``"squash"`` both sides, with
            ``"border"`` the longer side. Less than ``size`` in a few models of timm, which see a frame.
        interpolation: ``"bilinear"`` or ``"bicubic"`` (Pillow's, with its antialiasing).
        mean: Channel means on the 0..1 scale. Also the colour of a border.
        std: Channel standard deviations on the 0..1 scale.
        crop_mode: How a photograph becomes a square; one of `vitobench.tasks.images.geometry.CROP_MODES`.
    """

    size: int = 224
    resize: int = 256
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    # The default is not part of the identity, so that results of earlier versions are still found.
    crop_mode: str = field(default="center", metadata=OMITTED_IF_DEFAULT)

    @property
    def geometry(self) -> Geometry:
        """The geometric half of the preprocessing.

        Raises:
            ValueError: `Geometry` rejects the values.
        """
        red, green, blue = self.mean
        # timm fills borders with the mean. Without a border, all models get the same colour, to share decoded images.
        fill = (round(255 * red), round(255 * green), round(255 * blue)) if self.crop_mode == "border" else (0, 0, 0)
        return Geometry(self.size, self.resize, self.interpolation, self.crop_mode, fill)


@dataclass(frozen=True)
class ModelSpec:
    """Frozen description of a model.

    Attributes:
        name: What the user types.
        source: Name of the source it comes from; see `vitobench.models.sources.source.Source`.
        architecture: Name of the network's builder, with its version.
        preprocessing: See `Preprocessing`.
        label_space: ``"microworld-16"`` or ``"imagenet-1k"``.
        weights_hash: SHA-256 of the weights (of the file, or of the tensors if there is no file); empty where none are
            known, as of an imported model.
        training_data: Description of its training data.
        licence: Licence of the weights.
        baseline: Name of the model to compare with by default.
        description: One line for listings.
        extra: Further facts for the provenance panel; they are not part of the identity.
        precision: One of `PRECISIONS`: the type the network computes in. Logits and features are always float32.
        training_class: One of `training_data.TRAINING_CLASSES`: how wide its training data are. Not part of the
            identity.

    Raises:
        UnknownNameError: The precision or the training class is unknown.
    """

    name: str
    source: str
    architecture: str
    preprocessing: Preprocessing
    label_space: str
    weights_hash: str
    training_data: str = "unknown"
    licence: str = "unknown"
    baseline: str | None = None
    description: str = ""
    extra: dict[str, str] = field(default_factory=dict, compare=False)
    precision: str = "float32"
    training_class: str = UNKNOWN

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", self.precision, PRECISIONS)
        if self.training_class not in TRAINING_CLASSES:
            raise unknown_name("training class", self.training_class, TRAINING_CLASSES)

    def check_weights(self, weights_hash: str, what: str) -> None:
        """Check that weights about to be loaded are those that were described, so that no number gets another's name.

        Args:
            weights_hash: Hash of the weights that are there now.
            what: The file or the model, to begin the error message with.

        Raises:
            CheckpointError: They are others; the message has both hashes.
        """
        if weights_hash != self.weights_hash:
            raise CheckpointError(
                f"{what} changed after the model was described: the hash of its weights is {_short(weights_hash)}, the "
                f"description of {self.name} has {_short(self.weights_hash)}. Start again; if a worker process or "
                "another machine reports this, it must see the same files as the one that started the run."
            )

    @property
    def note(self) -> str:
        """A remark about the weights, such as which of several sets is used; usually empty."""
        return self.extra.get(WEIGHTS_NOTE, "")

    @property
    def imported(self) -> bool:
        """Whether its predictions were imported, so that it cannot be run."""
        return self.source == IMPORTED

    @property
    def identity(self) -> str:
        """``name@digest``; the digest covers weights, architecture, preprocessing, label space and precision."""
        covered: tuple[object, ...] = (self.architecture, self.preprocessing, self.label_space, self.weights_hash)
        # The default is left out, so that results of earlier versions are still found.
        if self.precision != "float32":
            covered = (*covered, self.precision)
        return f"{self.name}@{digest(covered)[:16]}"


def _short(weights_hash: str) -> str:
    """Enough of a hash to recognise it. Plugins choose theirs, which may be short."""
    return weights_hash if len(weights_hash) <= 16 else f"{weights_hash[:16]}..."


def imported_model(name: str, label_space: str, files: Mapping[str, tuple[str, str]]) -> ModelSpec:
    """The description of a model that is known by predictions made elsewhere.

    Its identity is a function of the files that were imported, whatever the order: no weights are known.

    Args:
        name: What the user calls it.
        label_space: The classes that it predicts.
        files: For each task's identity the name and the SHA-256 of the file that its predictions come from.
    """
    digests = sorted({sha256 for _, sha256 in files.values()})
    content = digests[0] if len(digests) == 1 else digest(digests)
    return ModelSpec(
        name,
        source=IMPORTED,
        architecture=f"imported predictions, sha256 {content}",
        preprocessing=Preprocessing(),
        label_space=label_space,
        weights_hash="",
        description="Predictions made elsewhere and imported; it never runs here.",
        extra={f"{_FROM_FILE}{task}": f"{file}, sha256 {sha256}" for task, (file, sha256) in sorted(files.items())},
    )


_FROM_FILE = "imported for "


def imported_files(spec: ModelSpec) -> dict[str, tuple[str, str]]:
    """What `imported_model` was given as ``files``."""
    files = {}
    for key, text in spec.extra.items():
        if key.startswith(_FROM_FILE):
            file, _, sha256 = text.rpartition(", sha256 ")
            files[key.removeprefix(_FROM_FILE)] = (file, sha256)
    return files
