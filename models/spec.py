"""What is known of a model before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import unknown_name
from ..identity import OMITTED_IF_DEFAULT, digest
from ..tasks.data.geometry import Geometry

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

WEIGHTS_NOTE = "weights_note"
"""Key of a description's ``extra`` under which its source keeps `ModelSpec.note`."""

PRECISIONS = ("float32", "bfloat16", "float16")
"""What a network may compute in; float16 on a GPU only."""


@dataclass(frozen=True)
class Preprocessing:
    """How a photograph becomes the model's input.

    The geometric part (resize, crop) happens once on pixels, before any corruption; the normalisation happens inside
    the model, after it.

    Attributes:
        size: Side of the square input, in pixels.
        resize: Shorter side after resizing and before the centre crop, in pixels. With ``"squash"`` both sides, with
            ``"border"`` the longer side.
        interpolation: ``"bilinear"`` or ``"bicubic"`` (Pillow's, with its antialiasing).
        mean: Channel means on the 0..1 scale. Also the colour of a border.
        std: Channel standard deviations on the 0..1 scale.
        crop_mode: How a photograph becomes a square; one of `vitobench.tasks.data.geometry.CROP_MODES`.
    """

    size: int = 224
    resize: int = 256
    interpolation: str = "bilinear"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    # Not part of the identity where it is the default, so that results of earlier versions are found again.
    crop_mode: str = field(default="center", metadata=OMITTED_IF_DEFAULT)

    @property
    def geometry(self) -> Geometry:
        """The geometric half.

        Raises:
            ValueError: Values that `Geometry` does not take.
        """
        red, green, blue = self.mean
        # As timm fills it; without a border every model has the same colour, so that they share decoded images.
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
        weights_hash: SHA-256 of the weights (of the file, or of the tensors where there is no file).
        training_data: What it was trained on, for people.
        licence: Licence of the weights.
        baseline: Name of the model it is compared with when the user names none.
        description: One line for listings.
        extra: Further facts for the provenance panel; they do not enter the identity.
        precision: One of `PRECISIONS`: what the network computes in. Logits and features are float32 in any case.

    Raises:
        UnknownNameError: Another precision.
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

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", self.precision, PRECISIONS)

    @property
    def note(self) -> str:
        """What a user should know of the weights that were taken, such as which of several sets; usually empty."""
        return self.extra.get(WEIGHTS_NOTE, "")

    @property
    def identity(self) -> str:
        """``name@digest``; the digest covers weights, architecture, preprocessing, label space and precision."""
        covered: tuple[object, ...] = (self.architecture, self.preprocessing, self.label_space, self.weights_hash)
        # Only where it is not the default, so that results of earlier versions are found again.
        if self.precision != "float32":
            covered = (*covered, self.precision)
        return f"{self.name}@{digest(covered)[:16]}"
