"""What a task asks of an encoder: numbers of images or clips that follow from its features alone.

Importing this loads no numerical library: listings of tasks read the declarations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

from ...errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from ..images.source import ImageSource, LoadFailure


class Mapper(Protocol):
    """What has feature maps: a model, or a stand-in such as the colours of cells.

    Attributes:
        name: For people.
        identity: Names its weights and all else that its maps and features depend on.
    """

    name: str
    identity: str

    def patch(self, height: int, width: int) -> int:
        """Side of its patches in pixels, for images of a size; 0 for a network whose maps grow coarser by stages.

        Raises:
            VitobenchError: It has no feature maps.
        """
        ...

    def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
        """Feature maps, float32 (N, C, h, w), for uint8 (N, H, W, 3).

        Args:
            images: RGB, of any size; of a transformer multiples of its patches.
            within: The last layer whose own stride is at most this; a transformer's last one.
            stride: At which that layer is read, 0 for its own; a transformer's is that of its patches, whatever is
                asked.

        Raises:
            VitobenchError: It has no such maps.
        """
        ...


class Encoder(Mapper, Protocol):
    """A model as protocols see it.

    Attributes:
        device: Where it computes.
    """

    device: torch.device

    def features(self, source: ImageSource, positions: Sequence[int]) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """The features that its classifier would see, of images as its preprocessing shows them.

        Args:
            source: Images that can be loaded at any size.
            positions: Of images of the source.

        Returns:
            float32 (n, D), and for each position of ``positions`` whose image cannot be read why; its features are NaN.
        """
        ...

    def learned(self, source: ImageSource, positions: Sequence[int] | np.ndarray) -> np.ndarray:
        """The same for many images: computed once and kept on disk, where an interrupted run goes on.

        Returns:
            float16 (n, D), mapped from a file; NaN where an image cannot be read.

        Raises:
            DataError: None of the images can be read.
            VitobenchError: They cannot be kept.
        """
        ...


@dataclass
class Numbers:
    """What was found for some positions of a source.

    Attributes:
        positions: int64 (m,), those with numbers.
        values: float (m,) by name; NaN where one is undefined.
        failed: Why the others have none, by position.
    """

    positions: np.ndarray
    values: Mapping[str, np.ndarray]
    failed: dict[int, LoadFailure] = field(default_factory=dict)


T = TypeVar("T")


def read_each(positions: Sequence[int], read: Callable[[int], T]) -> tuple[dict[int, T], dict[int, LoadFailure]]:
    """Read what is asked, one by one.

    Args:
        positions: Of a source.
        read: Reads what is at a position; `DataError` where it cannot be used.

    Returns:
        What was read, by position and in that order, and why the others were not.
    """
    from ..images.source import LoadFailure

    found: dict[int, T] = {}
    failed: dict[int, LoadFailure] = {}
    for position in positions:
        try:
            found[position] = read(position)
        except DataError as error:
            failed[position] = LoadFailure(str(error), transient=False)
    return found, failed


@dataclass(frozen=True)
class Seen:
    """A picture with two maps of labels, where 0 is the background and 255 stands for nothing.

    Attributes:
        what: Which picture it is, such as the number of a frame; empty where there is one.
        picture: uint8 (H, W, 3), RGB.
        truth: uint8 (H, W).
        found: uint8 (H, W), what a model says.
        value: How good that is, for people.
    """

    what: str
    picture: np.ndarray
    truth: np.ndarray
    found: np.ndarray
    value: str


class Examiner(Protocol):
    """One model and one task on one set of images."""

    def numbers(self, positions: Sequence[int]) -> Numbers:
        """The numbers of some positions of the source that are asked together."""
        ...


@runtime_checkable
class LearningExaminer(Examiner, Protocol):
    """One that learns from other images or clips before it is asked, and says how far it is."""

    def learn(self, told: Callable[[str, int, int], None]) -> None:
        """Learn, unless that was done for the same source and encoder.

        Args:
            told: Called with (stage, done, total).

        Raises:
            VitobenchError: It cannot be done.
        """
        ...


class FeatureProtocol(ABC):
    """How a task turns features into numbers; a frozen dataclass.

    Attributes:
        shows_maps: Whether its examiners have ``seen(position)``, which gives pictures of one position as `Seen`.
    """

    shows_maps: ClassVar[bool] = False

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Everything that the numbers depend on besides the images, as plain data: part of the task's identity."""

    @abstractmethod
    def examiner(self, encoder: Encoder | str, source: ImageSource) -> Examiner:
        """Begin with a model.

        Args:
            encoder: The model, or the name of a baseline, which has no features.
            source: The images of the task.

        Raises:
            VitobenchError: A model without the maps that are needed.
        """

    def learns(self, source: ImageSource) -> int:
        """How many images of the source are read once for each model, before it is asked about others."""
        return 0

    def brief(self) -> FeatureProtocol:
        """The same with as little to learn as possible, to time a few images."""
        return self

    @abstractmethod
    def together(self, source: ImageSource, positions: Sequence[int]) -> list[list[int]]:
        """Positions in groups that are asked together: the objects of one clip, images in a batch."""
