"""Classifiers in ONNX files, as other frameworks export them: ``onnx:FILE?mean=…&std=…&resize=…``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import CheckpointError, VitobenchError, unknown_name
from ...files import home_path
from ...identity import digest
from ...text_files import NotTextError, read_text
from ..named_file import NamedFile, complete_path, digest_of, split
from ..safetensors_header import unique_keys
from ..spec import WEIGHTS_NOTE, ModelSpec, Preprocessing
from ..zoo_card import LABEL_SPACES, card_preprocessing, label_space_of
from .source import Source

if TYPE_CHECKING:
    from torch import nn

    from ..class_order import ClassOrder
    from ..onnx_network import OnnxNetwork

PREFIX = "onnx:"

_GEOMETRY = {
    "size": "N",
    "resize": "N",
    "interpolation": "bilinear|bicubic",
    "crop_mode": "center|squash|border",
    "mean": "R,G,B",
    "std": "R,G,B",
}
_GRAPH = {
    "layout": "NCHW|NHWC",
    "output": "logits|probabilities",
    "logits": "NAME",
    "features": "NAME",
    "classes": "FILE",
}
_OPTIONS = {"preprocessing": "timm:NAME", **_GEOMETRY, **_GRAPH}
_TEXTS = ("training_data", "licence", "baseline", "description")
_EXAMPLE = "size=224&resize=256&interpolation=bicubic&mean=0.485,0.456,0.406&std=0.229,0.224,0.225"


@dataclass(frozen=True)
class _Opened:
    """A file that was checked: its network, how it is described, and what identifies it."""

    network: OnnxNetwork
    preprocessing: Preprocessing
    label_space: str
    architecture: str
    weights_hash: str
    note: str
    texts: Mapping[str, Any]


class OnnxSource(Source):
    """Classifiers in ONNX files."""

    name = "onnx"
    prefix = PREFIX
    form = "onnx:FILE"
    about = "a classifier as an ONNX file, described by options or by a JSON file beside it"
    extra = "onnx"
    extra_is_for = "for models in ONNX files (onnx:FILE)"
    libraries = ("onnxruntime",)

    def file_of(self, name: str) -> Path:
        """The path as typed, whether it exists or not."""
        return Path(split(name.removeprefix(PREFIX), _OPTIONS)[0])

    def complete_after_prefix(self, typed: str) -> list[str]:
        """Folders and ONNX files in the folder typed so far."""
        try:
            return complete_path(typed, (".onnx",))
        except (OSError, VitobenchError):
            return []

    def resolve(self, name: str) -> ModelSpec:
        """Describe an ONNX file. It is opened, because only the graph says what it takes and gives.

        Args:
            name: ``onnx:FILE`` with options, or with a JSON file of the same name beside it.

        Raises:
            CheckpointError: The file is missing or damaged, onnxruntime cannot run it, or its preprocessing, layout or
                classes are not known.
            VitobenchError: onnx or onnxruntime is not installed.
        """
        opened = _open(name)
        path = opened.network.graph.path
        return ModelSpec(
            name=name,
            source=self.name,
            architecture=opened.architecture,
            preprocessing=opened.preprocessing,
            label_space=opened.label_space,
            weights_hash=opened.weights_hash,
            description=opened.texts.get("description") or f"{path.name}, run by onnxruntime",
            training_data=opened.texts.get("training_data") or "unknown",
            licence=opened.texts.get("licence") or "unknown",
            baseline=opened.texts.get("baseline"),
            extra={WEIGHTS_NOTE: opened.note} if opened.note else {},
        )

    def build(self, spec: ModelSpec) -> nn.Module:
        """The graph as a network.

        Raises:
            CheckpointError: See `resolve`, or the file has changed since the description.
            VitobenchError: Another precision than float32 is asked for.
        """
        if spec.precision != "float32":
            raise VitobenchError(
                f"{spec.name} computes in the precision it was exported with; leave out --precision {spec.precision}."
            )
        opened = _open(spec.name)
        spec.check_weights(opened.weights_hash, str(opened.network.graph.path))
        return opened.network

    def encoder(self, architecture: str) -> nn.Module:
        """There are none.

        Raises:
            VitobenchError: Always.
        """
        raise VitobenchError("An ONNX file can be run, but not probed or fine-tuned: name the checkpoint it came from.")


def _open(name: str) -> _Opened:
    from ..class_order import order_of, unknown_count
    from ..onnx_network import OUTPUTS, OnnxNetwork, are_probabilities, external_files, graph_of, open_session
    from ..state_dicts import check_file

    parts = NamedFile.parse(name, PREFIX, _OPTIONS)
    path = parts.path
    check_file(path)
    told, texts, classes_folder = _told(path, parts.options)
    hashes = [digest_of(path), *(digest_of(file) for file in external_files(path))]
    session = open_session(path)
    size = _preprocessing_size(told.get("preprocessing", {}))
    for option, valid in (("layout", ("NCHW", "NHWC")), ("output", OUTPUTS)):
        if told.get(option) not in (None, *valid):
            raise unknown_name(f"{option} (of {path})", str(told[option]), valid)
    graph = graph_of(path, session, told.get("layout"), size, told.get("logits"), told.get("features"))
    preprocessing = _preprocessing(told.get("preprocessing", {}), graph.size, graph.type == "uint8", name, path)
    network = OnnxNetwork(graph, session, False, None)
    look_so, count = are_probabilities(network, preprocessing.size)
    stated = told.get("output")
    if stated == "probabilities" and not look_so:
        raise CheckpointError(
            f"The outputs of {path} are not probabilities: those of an image of noise are negative or do not add up "
            "to 1. Write output=logits."
        )
    probabilities = look_so if stated is None else stated == "probabilities"
    classes = told.get("classes")
    if classes is not None and (classes_folder / classes).is_file():
        classes = str(classes_folder / classes)
    order: ClassOrder | None = None
    if classes is not None or count not in LABEL_SPACES.values():
        order = order_of(count, classes, str(path))
        if order is None:
            raise CheckpointError(unknown_count(count, str(path)))
    read = None if order is None or order.plain else order
    space = label_space_of(count if order is None else len(order.outputs), str(path))
    kind = "probabilities" if probabilities else "logits"
    remark = f"Its outputs add up to 1, so they are read as {kind}." if probabilities and stated is None else ""
    return _Opened(
        OnnxNetwork(graph, session, probabilities, None if read is None else read.outputs),
        preprocessing,
        space,
        f"{PREFIX}{graph.layout},{kind},{graph.output}",
        digest([*hashes, read.outputs]) if read is not None else hashes[0] if len(hashes) == 1 else digest(hashes),
        " ".join(sentence for sentence in (remark, order.note if order else "") if sentence),
        texts,
    )


def _told(path: Path, options: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any], Path]:
    """What the user says of a file, in options and in a JSON file beside it; options count before the JSON.

    Returns:
        The description, texts for listings, and the folder that a list of classes is relative to.
    """
    beside = path.with_suffix(".json")
    told: dict[str, Any] = {}
    texts: dict[str, Any] = {}
    if beside.is_file():
        try:
            table = json.loads(read_text(beside), object_pairs_hook=unique_keys)
        except (OSError, NotTextError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{beside}, which describes {path.name}, cannot be read as JSON ({error}).") from None
        valid = ("preprocessing", *_GRAPH, *_TEXTS)
        if not isinstance(table, dict) or not isinstance(table.get("preprocessing", {}), dict):
            raise CheckpointError(f"{beside} must be an object with the key preprocessing, itself an object.")
        for key, value in table.items():
            if key not in valid:
                raise unknown_name(f"key (in {beside})", key, valid)
            if key != "preprocessing" and not isinstance(value, str):
                raise CheckpointError(f"{beside}: {key} must be a text.")
        texts = {key: table[key] for key in _TEXTS if key in table}
        told = {key: value for key, value in table.items() if key not in _TEXTS}
    folder = path.parent if "classes" not in options else home_path(".")
    geometry = {key: _value(key, text) for key, text in options.items() if key in _GEOMETRY}
    base = told.get("preprocessing", {})
    if "preprocessing" in options:
        base = _of_library(options["preprocessing"], path)
    told |= {key: text for key, text in options.items() if key in _GRAPH}
    return told | {"preprocessing": {**base, **geometry}}, texts, folder


def _of_library(name: str, path: Path) -> dict[str, Any]:
    """The preprocessing of a model of timm or torchvision that was exported."""
    from .files import architecture_of
    from .timm_models import TEST

    return asdict(architecture_of(name).preprocessing(digest_of(path), TEST))


def _value(key: str, text: str) -> Any:
    """The value of an option; what is not a number is left to the check of all values."""
    try:
        if key in ("mean", "std"):
            return [float(part) for part in text.split(",")]
        return int(text) if key in ("size", "resize") else text
    except ValueError:
        return text


def _preprocessing_size(values: Mapping[str, Any]) -> int | None:
    size = values.get("size")
    return size if type(size) is int and size > 0 else None


def _preprocessing(values: Mapping[str, Any], size: int | None, pixels: bool, name: str, path: Path) -> Preprocessing:
    """The preprocessing that options and JSON give together.

    Raises:
        CheckpointError: A part of it is not given, or invalid. Nothing is guessed: a network runs with any.
    """
    table = dict(values)
    if size is not None:
        table.setdefault("size", size)
    if pixels:
        for key, neutral in (("mean", [0.0, 0.0, 0.0]), ("std", [1.0, 1.0, 1.0])):
            if [float(x) for x in table.setdefault(key, neutral)] != neutral:
                raise CheckpointError(
                    f"{path} takes pixels from 0 to 255 (uint8), so it can have no {key}; leave it out."
                )
    missing = [key for key in _GEOMETRY if key not in table and key != "crop_mode"]
    if missing:
        raise CheckpointError(
            f"An ONNX file does not say how images are prepared, and {', '.join(missing)} of {path.name} "
            f"{'is' if len(missing) == 1 else 'are'} not given. Write {PREFIX}{path}?{_EXAMPLE} or, for an exported "
            f"model of timm, ?preprocessing=timm:NAME, or put these values into {path.stem}.json beside it: "
            '{"preprocessing": {"size": 224, ...}}.'
        )
    return card_preprocessing(table, name)


SOURCE = OnnxSource()
