"""The models that come with the package: pairs of a card and a safetensors file in ``models/zoo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CheckpointError
from ...identity import file_digest
from ..spec import ModelSpec
from ..zoo_card import ZooCard
from .source import ModelRow, Source

if TYPE_CHECKING:
    from torch import nn

ZOO_FOLDER = Path(__file__).parent.parent / "zoo"


def names() -> list[str]:
    """Names of the models in the zoo, sorted."""
    return sorted(card.stem for card in ZOO_FOLDER.glob("*.json") if _weights(card.stem).is_file())


def card(name: str) -> ZooCard:
    """Read a model's card, but not its weights.

    Raises:
        CheckpointError: The card cannot be read.
    """
    path = ZOO_FOLDER / f"{name}.json"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"The card {path} is not UTF-8 ({error}).") from None
    parsed = ZooCard.parse(text, str(path))
    if parsed.name != name:
        raise CheckpointError(f"The card {path} is that of {parsed.name!r}; it should be called {parsed.name}.json.")
    return parsed


def build_from_card(card: ZooCard, path: Path, weights: str | None = None) -> nn.Module:
    """Build the network that a card describes, and load its weights from a safetensors file.

    Args:
        card: The card.
        path: The file; half-precision weights are converted to float32.
        weights: Which of several sets of weights to use.

    Returns:
        A module with ``forward`` and ``features``.

    Raises:
        CheckpointError: This version does not know the architecture, or the weights do not fit it.
    """
    from ..probing.heads import build_network
    from ..state_dicts import check_fit, fit, read_checkpoint, skeleton
    from ..weight_sets import choose

    loaded = read_checkpoint(path)
    try:
        # Check names and shapes first: a damaged card could demand far more memory than the weights in the file.
        own = skeleton(lambda: build_network(card.architecture, card.num_classes))
        chosen = choose(loaded, own, (), weights, str(path), card.architecture).weights
        check_fit(own, chosen.tensors, str(path))
        network = build_network(card.architecture, card.num_classes)
    except CheckpointError:
        raise
    except Exception as error:  # timm and torchvision can raise anything for unusual names
        raise CheckpointError(
            f"{path} needs an architecture that this version of vitobench cannot build: {card.architecture!r}. {error}"
        ) from error
    fit(network, chosen.tensors, str(path))
    return network


def _weights(name: str) -> Path:
    return ZOO_FOLDER / f"{name}.safetensors"


class ZooSource(Source):
    """The models that come with the package."""

    name = "zoo"

    def names(self) -> list[str]:
        """Names of the models in the zoo, sorted."""
        return names()

    def listing(self) -> list[ModelRow]:
        """A row for each model, read from its card."""
        return [self._row(name) for name in names()]

    def _row(self, name: str) -> ModelRow:
        try:
            parsed = card(name)
        except (CheckpointError, OSError) as error:
            return ModelRow(name, self.name, problem=str(error))
        return ModelRow(
            name,
            self.name,
            parsed.label_space,
            parsed.training_data,
            parsed.licence,
            parsed.baseline,
            parsed.description,
        )

    def resolve(self, name: str) -> ModelSpec:
        """Describe a model of the zoo, without importing torch.

        Args:
            name: One of `names`.

        Returns:
            The description, with the hash of the file on disk.

        Raises:
            CheckpointError: The file is not the one that the card describes.
        """
        parsed, path = card(name), _weights(name)
        actual = file_digest(path)
        if actual != parsed.sha256:
            raise CheckpointError(
                f"{path} is not the file that its card describes (SHA-256 {actual[:12]}..., the card says "
                f"{parsed.sha256[:12] or 'nothing'}...). It was damaged or changed: reinstall vitobench, or load the "
                f"changed file under its own name with file:{path}."
            )
        return parsed.spec(name, self.name, actual)

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network of a model of the zoo, with its weights.

        Raises:
            CheckpointError: The file changed, is damaged, or does not fit the architecture.
        """
        # A process that started later, or on another machine, may see another file and its card, which fit each other.
        path = _weights(spec.name)
        spec.check_weights(self.resolve(spec.name).weights_hash, str(path))
        return build_from_card(card(spec.name), path)


SOURCE = ZooSource()
