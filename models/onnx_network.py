"""Classifiers in ONNX files: what a graph takes and gives, and a network that runs it with onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import CheckpointError, VitobenchError
from .class_order import NEVER

LAYOUTS = ("NCHW", "NHWC")
OUTPUTS = ("logits", "probabilities")

_TYPES: dict[str, Any] = {"float": np.float32, "float16": np.float16, "double": np.float64, "uint8": np.uint8}
"""Element types of inputs that can be given, as onnxruntime writes them; uint8 is given pixels from 0 to 255."""

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "org.pytorch.aten")
"""Domains of operators that onnxruntime brings along."""

_TINY = 1e-12  # the smallest probability whose logarithm is taken


@dataclass(frozen=True)
class Graph:
    """What a graph takes and gives.

    Attributes:
        path: The file.
        input: Name of its input.
        type: Element type of the input, a key of `_TYPES`.
        layout: One of `LAYOUTS`.
        size: Side of the square image; None if it takes any.
        batch: Images that it takes at once; None for any number.
        output: Name of the output (N, K) with a value for each class.
        features: Name of an output with features; None if there is none.
    """

    path: Path
    input: str
    type: str
    layout: str
    size: int | None
    batch: int | None
    output: str
    features: str | None = None


def external_files(path: Path) -> list[Path]:
    """Check what can be said of a file without running it, and list the files that hold its weights besides.

    Raises:
        VitobenchError: The package onnx is not installed.
        CheckpointError: It is not ONNX, has operators that onnxruntime does not bring along, or weights in files that
            are absent or outside of its folder.
    """
    onnx = _package("onnx")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises its own
        raise CheckpointError(f"{path} is not an ONNX file, or is damaged ({_first_line(error)}).") from None
    if not model.graph.node:
        raise CheckpointError(f"{path} is not an ONNX file, or is damaged (it has no operators).")
    known = {*_DOMAINS, *(function.domain for function in model.functions)}
    custom = sorted({f"{node.domain}:{node.op_type}" for node in _nodes(model.graph) if node.domain not in known})
    if custom:
        raise CheckpointError(
            f"{path} needs custom operators ({', '.join(custom[:5])}), which onnxruntime does not have. Export the "
            "network with standard operators, or make it a model of a plugin that loads them (docs/extending.md)."
        )
    names = {
        entry.value
        for tensor in _tensors(model.graph)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    files = []
    for name in sorted(names):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise CheckpointError(f"{path} was refused: it has weights in {name!r}, which is outside of its folder.")
        file = path.parent / name
        if not file.is_file():
            raise CheckpointError(
                f"{path} has weights in another file, {name!r}, which is not in {path.parent}. Copy it there, or "
                "export the network into one file."
            )
        files.append(file)
    return files


def open_session(path: Path) -> Any:
    """An onnxruntime session on the CPU, with as many threads as torch.

    Raises:
        VitobenchError: onnxruntime is not installed.
        CheckpointError: It cannot run the file.
    """
    runtime = _package("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, too
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise CheckpointError(
            f"onnxruntime {runtime.__version__} cannot run {path}: {_first_line(error)}. Export it for an older opset, "
            "or install a newer onnxruntime."
        ) from None


def graph_of(
    path: Path, session: Any, layout: str | None, size: int | None, logits: str | None, features: str | None
) -> Graph:
    """What a graph takes and gives.

    Args:
        path: The file.
        session: From `open_session`.
        layout: What the user says of it; None to find out.
        size: Likewise.
        logits: Name of the output with the classes; None if there is only one.
        features: Name of an output with features.

    Raises:
        CheckpointError: Its input is not a batch of square RGB images of a supported type, its layout or output is not
            clear, or the user says something else than the graph.
    """
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(entry.name for entry in inputs)
        raise CheckpointError(f"{path} has {len(inputs)} inputs ({names}); one with a batch of images is needed.")
    entry = inputs[0]
    kind = str(entry.type).removeprefix("tensor(").removesuffix(")")
    if kind not in _TYPES:
        raise CheckpointError(
            f"The input {entry.name} of {path} has the type {entry.type}; supported are {', '.join(_TYPES)}. Add a "
            "conversion in front of the network when exporting it."
        )
    shape = [side if isinstance(side, int) and side > 0 else None for side in entry.shape or ()]
    if len(shape) != 4:
        raise CheckpointError(f"The input {entry.name} of {path} has the shape {entry.shape}; four axes are needed.")
    fits = [name for name in LAYOUTS if shape[name.index("C")] in (3, None)]
    if layout is None and sum(shape[name.index("C")] == 3 for name in fits) == 1:
        layout = next(name for name in fits if shape[name.index("C")] == 3)
    if layout is None and fits:
        raise CheckpointError(
            f"The input {entry.name} of {path} has the shape {entry.shape}, which does not say where the channels are. "
            "Add layout=NCHW or layout=NHWC."
        )
    if layout not in fits:
        said = f"layout={layout}" if layout else "images of three channels"
        raise CheckpointError(f"The input {entry.name} of {path} has the shape {entry.shape}, which is not {said}.")
    sides = {shape[layout.index(axis)] for axis in "HW"} - {None}
    if len(sides) > 1 or (size is not None and sides - {size}):
        want = f"size={size}" if size is not None and len(sides) == 1 else "square images"
        raise CheckpointError(f"The input {entry.name} of {path} has the shape {entry.shape}, which is not {want}.")
    outputs = {output.name: output for output in session.get_outputs()}
    for option, name in (("logits", logits), ("features", features)):
        if name is not None and name not in outputs:
            raise CheckpointError(f"{path} has no output {option}={name}; it has {', '.join(outputs)}.")
    flat = [name for name, output in outputs.items() if len(output.shape or ()) == 2 and name != features]
    if logits is None and len(flat) != 1 and len(outputs) != 1:
        raise CheckpointError(
            f"{path} has {len(outputs)} outputs; choose that of the classes: logits={'|'.join(outputs)}."
        )
    output = logits or (flat[0] if flat else next(iter(outputs)))
    side = next(iter(sides), None)
    return Graph(path, entry.name, kind, layout, side or size, shape[0], output, features)


class OnnxNetwork(nn.Module):
    """A graph as a network; it computes on the CPU, whatever the device of its images.

    Args:
        graph: What it takes and gives.
        session: From `open_session`.
        probabilities: Whether its outputs are probabilities, whose logarithms are the logits.
        outputs: For each class the number of its output, or -1 if there is none; None as they are.
    """

    def __init__(self, graph: Graph, session: Any, probabilities: bool, outputs: tuple[int, ...] | None) -> None:
        super().__init__()
        self.graph = graph
        self.session = session
        self.probabilities = probabilities
        self.outputs = None if outputs is None else torch.tensor(outputs)

    def run(self, x: torch.Tensor, output: str) -> np.ndarray:
        """An output (N, ...) of the graph for normalised images (N, 3, size, size).

        Raises:
            VitobenchError: onnxruntime fails, or gradients are asked for.
        """
        if x.requires_grad and torch.is_grad_enabled():
            raise VitobenchError(f"{self.graph.path} is an ONNX file, which gives no gradients.")
        kind = _TYPES[self.graph.type]
        pixels = x.detach().cpu().float()
        if kind is np.uint8:
            pixels = (pixels * 255).round()  # its preprocessing has mean 0 and deviation 1, so these are the pixels
        if self.graph.layout == "NHWC":
            pixels = pixels.permute(0, 2, 3, 1)
        images = np.ascontiguousarray(pixels.numpy().astype(kind))
        batch = self.graph.batch or len(images)
        parts = []
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            missing = batch - len(part)
            padded = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part
            try:
                (values,) = self.session.run([output], {self.graph.input: padded})
            except Exception as error:  # onnxruntime's exceptions share no base class
                raise VitobenchError(f"onnxruntime cannot run {self.graph.path}: {_first_line(error)}.") from None
            if len(values) != batch:
                raise VitobenchError(
                    f"The output {output} of {self.graph.path} has {len(values)} rows for {batch} images; one for each "
                    "is needed. Export the network with a batch axis that can vary."
                )
            parts.append(values[: len(part)])
        return np.concatenate(parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of shape (N, K)."""
        values = torch.from_numpy(self.run(x, self.graph.output).astype(np.float32)).flatten(1)
        logits = values.clamp(min=_TINY).log() if self.probabilities else values
        if self.outputs is not None:
            absent = self.outputs < 0
            logits = logits[:, self.outputs.clamp(min=0)]
            logits[:, absent] = NEVER
        return logits.to(x.device)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """An output with features, of shape (N, D).

        Raises:
            VitobenchError: The graph has none.
        """
        if self.graph.features is None:
            raise VitobenchError(
                f"{self.graph.path} gives classes only. Export its features as a second output, and add features=NAME."
            )
        return torch.from_numpy(self.run(x, self.graph.features).astype(np.float32)).flatten(1).to(x.device)


def are_probabilities(network: OnnxNetwork, size: int) -> tuple[bool, int]:
    """Whether outputs are probabilities, and their number, by what the graph says of two images of noise.

    Raises:
        VitobenchError: It cannot be run.
    """
    x = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    values = network.run(x, network.graph.output).reshape(2, -1).astype(np.float64)
    sums_to_one = bool(np.abs(values.sum(axis=1) - 1).max() < 1e-2)
    return bool((values >= 0).all()) and sums_to_one, values.shape[1]


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _nodes(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in _nodes(graph):
        for attribute in node.attribute:
            yield from (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors)
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from inner.initializer


def _package(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise VitobenchError(f"ONNX files need the package {name}: pip install 'vitobench[onnx]'.") from None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300].rstrip(".")
