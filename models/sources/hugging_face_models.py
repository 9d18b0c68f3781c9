"""Image classifiers and encoders of transformers, with weights in safetensors: ``hf:OWNER/NAME`` or ``hf:DIR``."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CheckpointError, VitobenchError
from ...files import home_path, read_json
from ...identity import digest, file_digest
from ..class_order import LISTS, RULES, ClassOrder, order_of_named
from ..named_file import split_options
from ..spec import WEIGHTS_NOTE, ModelSpec
from ..zoo_card import ENCODER_ONLY, LABEL_SPACES
from .source import Source, WeightsFolder

if TYPE_CHECKING:
    from torch import nn

PREFIX = "hf:"

_EXTRA = "hugging-face"
_INSTALL = f"pip install 'vitobench[{_EXTRA}]'"
_ORDERS = (*LABEL_SPACES, *LISTS, *RULES)
_OPTIONS = {"labels": f"{'|'.join(_ORDERS)}|FILE"}
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_CONFIG, _WEIGHTS, _INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_FETCHED = [_CONFIG, *_PROCESSORS, _INDEX, "*.safetensors", "open_clip_config.json"]
"""Files of a repository that are fetched: neither code nor pickles."""

_CONTENT = "content"


@dataclass(frozen=True)
class Checkpoint:
    """A folder as transformers' ``save_pretrained`` writes it.

    Attributes:
        folder: Where it is.
        name: As typed.
        config: Of ``config.json``.
        labels: Value of the option ``labels``; empty if it is not given.
    """

    folder: Path
    name: str
    config: Mapping[str, Any]
    labels: str

    @property
    def architecture(self) -> str:
        """Name of transformers' class."""
        return str(self.config["architectures"][0])

    def weights(self) -> list[Path]:
        """Its safetensors files.

        Raises:
            CheckpointError: There are none, or the index names files elsewhere.
        """
        if (self.folder / _WEIGHTS).is_file():
            return [self.folder / _WEIGHTS]
        if (self.folder / _INDEX).is_file():
            index = read_json(self.folder / _INDEX, "an object with weight_map")
            names = sorted(set(map(str, index["weight_map"].values()))) if "weight_map" in index else []
            if not names or any(Path(name).name != name or not (self.folder / name).is_file() for name in names):
                raise CheckpointError(f"{self.folder / _INDEX} names files that are not in its folder; copy it again.")
            return [self.folder / name for name in names]
        pickled = sorted(path.name for path in self.folder.glob("*") if path.suffix in (".bin", ".pt", ".pth", ".h5"))
        there = f"only {', '.join(pickled)}" if pickled else "no weights"
        raise CheckpointError(
            f"{self.name} has {there}; {_WEIGHTS} is needed, because pickles can run code. If you trust where they "
            f'come from, convert them once: python -c "from transformers import {self.architecture} as A; '
            f"A.from_pretrained('{self.folder}').save_pretrained('{self.folder}')\""
        )

    def content(self) -> str:
        """A digest of everything that its outputs depend on."""
        files = [self.folder / name for name in (_CONFIG, *_PROCESSORS) if (self.folder / name).is_file()]
        listed = home_path(self.labels) if self.labels and self.labels not in _ORDERS else None
        if listed is not None and listed.is_file():
            files.append(listed)
        try:
            return digest([self.labels, *map(file_digest, [*files, *self.weights()])])
        except OSError as error:
            raise CheckpointError(f"{error.filename} cannot be read: {error.strerror or error}.") from None


def opened(name: str) -> Checkpoint:
    """Find a checkpoint; one that is not in a folder of the user is fetched.

    Raises:
        CheckpointError: It is none of transformers' image classifiers and encoders.
        VitobenchError: It cannot be fetched.
    """
    text, options = split_options(name, PREFIX, _OPTIONS, "OWNER/NAME")
    folder = home_path(text)
    if not folder.is_dir():
        if not _REPOSITORY.fullmatch(text):
            raise CheckpointError(
                f"{name}: there is no folder {text!r}. Write {PREFIX}DIR, a folder with {_CONFIG}, or "
                f"{PREFIX}OWNER/NAME."
            )
        folder = _fetched(text, name)
    if not (folder / _CONFIG).is_file():
        other = f" Write openclip:{text}." if (folder / "open_clip_config.json").is_file() else ""
        raise CheckpointError(f"{name} has no {_CONFIG}, so it is no checkpoint of transformers.{other}")
    config = read_json(folder / _CONFIG, "a JSON object")
    _check_config(config, name)
    return Checkpoint(folder, name, config, options.get("labels", ""))


def _fetched(repository: str, name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=_FETCHED))
    except Exception as error:  # every transport has its own exceptions
        first = (str(error).splitlines() or [""])[0][:300]
        raise VitobenchError(
            f"{name} could not be fetched ({type(error).__name__}: {first}). Without a network, copy the repository's "
            f"files into a folder and write {PREFIX}DIR."
        ) from error


def _check_config(config: Any, name: str) -> None:
    from transformers import CONFIG_MAPPING

    from ..hugging_face import CLASSIFIERS, ENCODERS, ZERO_SHOT

    kind = config.get("model_type") if isinstance(config, dict) else None
    stated = config.get("architectures") if isinstance(config, dict) else None
    if not isinstance(stated, list) or not stated or not isinstance(stated[0], str):
        raise CheckpointError(f"{name}: {_CONFIG} does not say which class it is for, under 'architectures'.")
    if kind == "timm_wrapper":
        raise CheckpointError(f"{name} is a model of timm. Write timm:hf-hub:OWNER/NAME or timm:NAME.")
    if stated[0] in CLASSIFIERS or kind in ENCODERS:
        return
    if config.get("auto_map") and kind not in CONFIG_MAPPING:
        raise CheckpointError(
            f"{name} wants to run code that comes with it ({_CONFIG}: auto_map), which is never done. Use a version "
            "whose class transformers has, or write a plugin for it."
        )
    hint = " Zero-shot models are read by openclip:, in open_clip's form." if kind in ZERO_SHOT else ""
    raise CheckpointError(
        f"{name} is a {stated[0]}, which is neither an image classifier nor an encoder of images that transformers "
        f"has.{hint}"
    )


def _order(checkpoint: Checkpoint, names: Mapping[Any, Any]) -> ClassOrder:
    where, count = checkpoint.name, len(names)
    numbered = {int(number): str(text) for number, text in names.items()}
    if sorted(numbered) != list(range(count)):
        raise CheckpointError(f"{where}: the keys of id2label in {_CONFIG} are not 0 to {count - 1}.")
    fitting = [space for space, number in LABEL_SPACES.items() if number == count]
    fitting += [name for name, (number, _) in LISTS.items() if number == count]
    mend = (
        f"Write {where.partition('?')[0]}?labels=FILE, a file with a WordNet id or unique name per output, or "
        f"?labels={next(iter(fitting or LABEL_SPACES))} if they are in the order of its classes."
    )
    return order_of_named([numbered[number] for number in range(count)], checkpoint.labels or None, where, mend)


def _identity(content: str, order: ClassOrder | None) -> str:
    return digest([content, None if order is None or order.plain else order.outputs])


class HuggingFaceSource(Source):
    """Image classifiers and encoders of transformers."""

    name = "hugging-face"
    prefix = PREFIX
    form = "hf:OWNER/NAME"
    about = "an image classifier or encoder of transformers, fetched over the network; hf:DIR for a folder"
    extra = _EXTRA
    extra_is_for = "for hf: models and bench export --format hugging-face"
    libraries = ("transformers",)
    can_reuse = True

    def complete_after_prefix(self, typed: str) -> list[str]:
        """Folders in the folder typed so far."""
        folder, slash, start = typed.rpartition("/")
        try:
            entries = sorted(home_path(folder + slash or ".").iterdir())
        except (OSError, VitobenchError):
            return []
        return [
            f"{folder}{slash}{path.name}" for path in entries if path.name.startswith(start or "") and path.is_dir()
        ]

    def downloads_to(self) -> WeightsFolder | None:
        """The cache of the Hugging Face hub."""
        try:
            from huggingface_hub.constants import HF_HUB_CACHE
        except ImportError:
            return None
        return WeightsFolder("weights of transformers", Path(HF_HUB_CACHE), "HF_HOME")

    def file_of(self, name: str) -> Path | None:
        """The folder as typed, if it is one."""
        typed = Path(name.removeprefix(PREFIX).partition("?")[0])
        return typed if typed.is_dir() else None

    def resolve(self, name: str) -> ModelSpec:
        """Describe a checkpoint of transformers. It is loaded once, so that what does not fit is found before a run.

        Args:
            name: ``hf:OWNER/NAME`` or ``hf:DIR``, then ``?labels=FILE`` with a name for each output, or
                ``?labels=SPACE`` where they are in the order of a label space or published list.

        Raises:
            CheckpointError: It has only pickled weights, wants to run code, lacks weights or has others, its processor
                does something unknown, or the classes of its outputs are not certain.
            VitobenchError: transformers is not installed, or the checkpoint cannot be fetched.
        """
        _check_installed()
        import transformers

        from ..hugging_face import architecture_of, heads_of, load_network, preprocessing_of

        checkpoint = opened(name)
        content = checkpoint.content()
        preprocessing = preprocessing_of(checkpoint.folder, name)
        network = load_network(checkpoint.folder, checkpoint.architecture, preprocessing.size, name)
        architecture = architecture_of(network, checkpoint.config)
        order = None
        if _classifies(checkpoint):
            order = _order(checkpoint, network.config.id2label)
            heads_of(network, architecture)  # refuses what could not be built later
        return ModelSpec(
            name=name,
            source=self.name,
            architecture=PREFIX + architecture,
            preprocessing=preprocessing,
            label_space=ENCODER_ONLY if order is None else order.space,
            weights_hash=_identity(content, order),
            training_data="see its model card",
            description=f"{checkpoint.architecture} of transformers",
            extra={
                "transformers": transformers.__version__,
                _CONTENT: content,
                **({WEIGHTS_NOTE: order.note} if order is not None and order.count != len(order.outputs) else {}),
            },
        )

    def build(self, spec: ModelSpec) -> nn.Module:
        """Build the network of a checkpoint.

        Raises:
            CheckpointError: It has changed since the description, or see `resolve`.
            VitobenchError: See `resolve`.
        """
        _check_installed()
        from ..hub_networks import TransformersNetwork
        from ..hugging_face import heads_of, load_network

        checkpoint = opened(spec.name)
        size = spec.preprocessing.size
        network = load_network(checkpoint.folder, checkpoint.architecture, size, spec.name)
        order = _order(checkpoint, network.config.id2label) if _classifies(checkpoint) else None
        spec.check_weights(_identity(checkpoint.content(), order), spec.name)
        heads = [] if order is None else heads_of(network, spec.architecture.removeprefix(PREFIX))
        return TransformersNetwork(network, size, heads, None if order is None or order.plain else order.outputs)

    def still_describes(self, spec: ModelSpec) -> bool:
        """Whether its files have the same bytes, and transformers the same version. This does not import it."""
        try:
            version = importlib.metadata.version("transformers")
            text, options = split_options(spec.name, PREFIX, _OPTIONS, "OWNER/NAME")
            folder = home_path(text)
            if spec.extra.get("transformers") != version or not (folder / _CONFIG).is_file():
                return False
            checkpoint = Checkpoint(folder, spec.name, {"architectures": [""]}, options.get("labels", ""))
            return checkpoint.content() == spec.extra.get(_CONTENT)
        except (VitobenchError, importlib.metadata.PackageNotFoundError):
            return False

    def encoder(self, architecture: str) -> nn.Module:
        """An untrained network of transformers without a classifier.

        Raises:
            VitobenchError: transformers is not installed, or has no such class.
        """
        _check_installed()
        from ..hub_networks import TransformersNetwork
        from ..hugging_face import untrained

        network, size = untrained(architecture.removeprefix(PREFIX))
        return TransformersNetwork(network, size)


def _classifies(checkpoint: Checkpoint) -> bool:
    from ..hugging_face import CLASSIFIERS

    return checkpoint.architecture in CLASSIFIERS


def _check_installed() -> None:
    if importlib.util.find_spec("transformers") is None:
        raise VitobenchError(f"{PREFIX} models need transformers: {_INSTALL}")


SOURCE = HuggingFaceSource()
