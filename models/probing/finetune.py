"""Training a whole model on labelled images: AdamW, crops and flips, the learning rate lower for earlier layers."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from ...decoding import Count, CountOrZero, NotNegative, Positive, check
from ...errors import CheckpointError, DataError, VitobenchError
from ...identity import digest
from ...interruption import Stopped, finish_first
from ...tasks.images.geometry import Geometry
from ..model import Model
from ..networks import PooledNetwork, build
from ..pretraining.checkpoint import load_state, same_threads, save_state, take_threads
from ..pretraining.methods import Augmentation
from ..pretraining.views import random_view
from .checkpoint import card_of, write_checkpoint
from .data import Part, ProbeData
from .heads import HeadedNetwork, HeadSpec, LinearHead, NeighbourHead, build_network, encoder_of, headed, width_of

# Learning rates by the depth of a layer.


_NUMBERED = re.compile(r"(.*?\.\d+)\.")
_TOP = re.compile(r"(.*\.)?(head|pool|fc|classifier)(\.|$)")


def depths(network: nn.Module) -> dict[str, int]:
    """Depth of every parameter, from 0.

    A layer is recognised by the first number in a parameter's name (``stages.1``, ``blocks.3``, ``layer2.0``), and
    layers are counted in the order in which the network lists them. Parameters before the first layer have its depth;
    poolings and classifiers are one deeper than the last layer; other parameters have the depth of those before them.
    """
    by_name: dict[str, int] = {}
    layers: dict[str, int] = {}
    top = []
    for name, _ in network.named_parameters():
        if _TOP.match(name):
            top.append(name)
            continue
        match = _NUMBERED.match(name)
        if match:
            layers.setdefault(match[1], len(layers))
        by_name[name] = layers[match[1]] if match else max(0, len(layers) - 1)
    last = max(by_name.values(), default=-1) + 1
    return by_name | dict.fromkeys(top, last)


def parameter_groups(
    network: nn.Module, learning_rate: float, layer_decay: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Groups for an optimiser: ``lr`` and ``peak`` are learning_rate * layer_decay ** (depth of the top - depth).

    Only parameters with two or more dimensions have weight decay.
    """
    depth = depths(network)
    top = max(depth.values(), default=0)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in network.named_parameters():
        decayed = parameter.ndim >= 2
        rate = learning_rate * layer_decay ** (top - depth[name])
        group = groups.setdefault(
            (depth[name], decayed),
            {"params": [], "lr": rate, "peak": rate, "weight_decay": weight_decay if decayed else 0.0},
        )
        group["params"].append(parameter)
    return list(groups.values())


# Turn a loaded model into a network that can be trained.


def trainable(model: Model, label_space: str, classes: int) -> tuple[nn.Module, str]:
    """A copy of a model's network with a classifier for a label space, and the name of its architecture.

    Args:
        model: The model; it is not changed.
        label_space: Label space of the training data.
        classes: Number of its classes.

    Returns:
        A network whose parameters require gradients. It keeps the model's classifier if the label space is the same and
        the network is one of vitobench's or has a fitted head; otherwise its classifier is new and zero.

    Raises:
        VitobenchError: The model predicts by nearest neighbours.
    """
    source, name = model.network, model.spec.architecture
    keeps_classifier = model.spec.label_space == label_space
    if isinstance(source, HeadedNetwork) and isinstance(source.head, NeighbourHead):
        raise VitobenchError(
            f"{model.spec.name} predicts by nearest neighbours, which cannot be trained; fit a linear head first: "
            f"bench probe --model {model.spec.name}."
        )
    network: nn.Module
    if isinstance(source, HeadedNetwork):
        network = build_network(name, classes)
        state = {
            key: value
            for key, value in source.state_dict().items()
            if keeps_classifier or not key.startswith("head.linear.")
        }
    elif isinstance(source, PooledNetwork):
        network = build(name, classes)
        for parameter in network.head.parameters():
            nn.init.zeros_(parameter)
        state = {
            key: value for key, value in source.state_dict().items() if keeps_classifier or not key.startswith("head.")
        }
    else:
        encoder = encoder_of(source, name)
        spec = HeadSpec("linear")
        return _ready(HeadedNetwork(encoder, LinearHead(width_of(encoder, False), classes))), headed(name, spec)
    network.load_state_dict(state, strict=False)
    return _ready(network), name


def _ready(network: nn.Module) -> nn.Module:
    ready: Any = network.requires_grad_(True).to(memory_format=torch.channels_last)
    return ready


# Fine-tune a whole model on labelled images: AdamW, crops and flips, and lower learning rates for earlier layers.


LAST = "last.safetensors"
STATE = "finetune.pt"
STATE_SECONDS = 60.0
VIEWS = Augmentation(jitter=0.0, grey=0.0, blur=(0.0, 0.0), solarise=(0.0, 0.0))
"""Random resized crops of 40 to 100 % of the image, and flips."""


@dataclass(frozen=True)
class FinetuneSettings:
    """How a model is trained. All of these affect the result.

    Attributes:
        steps: Steps of the optimiser.
        batch: Images per step.
        learning_rate: Peak for the last layer: linear warm-up over a twentieth of the steps, then a cosine to 0.
        layer_decay: Each earlier layer has this share of the next one's learning rate; 1 treats all layers alike.
        weight_decay: Weight decay of matrices and kernels; biases and norms have none.
        precision: ``"float32"`` or ``"bfloat16"`` (autocast; weights stay float32).
        every: Keep a checkpoint ``step-NNNNNN.safetensors`` every so many steps; 0 only keeps the last one.
        seed: Seed of order and views.

    Raises:
        VitobenchError: A value is out of range.
    """

    steps: Count
    batch: Annotated[int, Meta(ge=2)] = 64
    learning_rate: Positive = 1e-3
    layer_decay: Annotated[float, Meta(gt=0, le=1)] = 0.75
    weight_decay: NotNegative = 0.05
    precision: Literal["float32", "bfloat16"] = "float32"
    every: CountOrZero = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check(self, "finetuning")


@dataclass(frozen=True)
class Finetuned:
    """The result of fine-tuning.

    Attributes:
        checkpoint: The last checkpoint.
        loss: Mean training loss of the last tenth of this call's steps; NaN if an earlier call had finished all steps.
        seconds: Training time of this call.
    """

    checkpoint: Path
    loss: float
    seconds: float


def finetune(
    model: Model,
    data: ProbeData,
    settings: FinetuneSettings,
    folder: Path,
    progress: Callable[[int, int, float], None] | None = None,
) -> Finetuned:
    """Train a model end to end.

    An interrupted run in the same folder resumes from its last state: order and views are functions of (seed, step),
    and it uses the same number of threads as at its start. On SIGTERM, SIGUSR1 or Ctrl-C it finishes the step, saves
    and stops.

    Args:
        model: The initial model. A classifier with the same label space is kept; otherwise a new one starts at zero.
        data: Its training part is used.
        settings: See `FinetuneSettings`.
        folder: Folder for ``last.safetensors`` and its card, ``step-NNNNNN.safetensors``, and ``finetune.pt``.
        progress: Called with (finished steps, total, loss).

    Raises:
        CheckpointError: The folder contains the state of another run.
        DataError: There are fewer images than a batch.
        VitobenchError: The model cannot be trained, the loss is not finite, or a file cannot be written.
        Stopped: A signal arrived; the finished step is saved.
    """
    if len(data.train) < settings.batch:
        raise DataError(f"{len(data.train)} training images do not fill a batch of {settings.batch}.")
    run = _Run(model, data, settings, folder)
    with same_threads(), finish_first() as stop_signal:
        return run.go(progress, stop_signal)


class _Run:
    def __init__(self, model: Model, data: ProbeData, settings: FinetuneSettings, folder: Path) -> None:
        self.model, self.data, self.settings, self.folder = model, data, settings, folder
        self.device = model.device
        network, self.architecture = trainable(model, data.label_space, data.classes)
        self.network = network.to(self.device).train()
        groups = parameter_groups(network, settings.learning_rate, settings.layer_decay, settings.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)
        self.digest = digest([model.spec.identity.rpartition("@")[2], data.train.digest, asdict(settings)])
        preprocessing = model.spec.preprocessing
        self.geometry = preprocessing.geometry
        self.mean = torch.tensor(preprocessing.mean, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(preprocessing.std, device=self.device).view(1, 3, 1, 1)

    def go(self, progress: Callable[[int, int, float], None] | None, stop_signal: Callable[[], int]) -> Finetuned:
        settings, losses = self.settings, []
        first = self._resume()
        started = saved = time.monotonic()
        for step, images, labels in self._batches(first):
            loss = self._step(step, images, labels)
            completed = step + 1
            if not math.isfinite(loss):
                raise VitobenchError(f"The loss became {loss} at step {completed}. A lower --lr may help.")
            losses.append(loss)
            if progress is not None:
                progress(completed, settings.steps, loss)
            if settings.every and completed % settings.every == 0:
                self._write(self.folder / f"step-{completed:06d}.safetensors", completed)
            number = stop_signal()
            if number or completed == settings.steps or time.monotonic() - saved > STATE_SECONDS:
                self._save(completed)
                saved = time.monotonic()
            if number:
                raise Stopped(
                    number, f"saved at step {completed} of {settings.steps}; run the same command to continue."
                )
        # Write this even if no step was left, because the earlier run may have been interrupted just before it.
        self._write(self.folder / LAST, settings.steps)
        tail = losses[-max(1, len(losses) // 10) :]
        return Finetuned(self.folder / LAST, float(np.mean(tail)) if tail else math.nan, time.monotonic() - started)

    def _step(self, step: int, images: Tensor, labels: Tensor) -> float:
        settings = self.settings
        factor = _schedule(step, settings.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        views = random_view(images, VIEWS, 0, torch.Generator().manual_seed(_seed(settings.seed, "views", step)))
        x = (views.to(self.device) - self.mean) / self.std
        torch.manual_seed(_seed(settings.seed, "network", step))
        half = settings.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16) if half else nullcontext():
            logits = self.network(x)
        loss = F.cross_entropy(logits.float(), labels.to(self.device))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        return float(loss.detach())

    def _batches(self, first: int) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Step, images uint8 (N, 3, S, S) and labels, one batch read ahead."""
        part = self.data.train

        def load(step: int) -> tuple[Tensor, Tensor]:
            return _load(part, batch_rows(step, len(part), self.settings.batch, self.settings.seed), self.geometry)

        with ThreadPoolExecutor(1) as ahead:
            upcoming = ahead.submit(load, first) if first < self.settings.steps else None
            for step in range(first, self.settings.steps):
                assert upcoming is not None
                images, labels = upcoming.result()
                upcoming = ahead.submit(load, step + 1) if step + 1 < self.settings.steps else None
                yield step, images, labels

    def _resume(self) -> int:
        path = self.folder / STATE
        state = load_state(path)
        if state is None:
            return 0
        if state.get("run") != self.digest:
            raise CheckpointError(
                f"{path} belongs to a run with other settings, data or model; choose another --output, or delete it."
            )
        take_threads(state)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        return int(state["step"])

    def _save(self, step: int) -> None:
        state = {
            "run": self.digest,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": step,
            "threads": torch.get_num_threads(),
        }
        save_state(self.folder / STATE, state)

    def _write(self, path: Path, step: int) -> None:
        views = asdict(VIEWS) | {"blur": VIEWS.blur[0], "solarise": VIEWS.solarise[0]}  # there is only a first view
        card = card_of(
            self.model.spec,
            self.architecture,
            self.data.label_space,
            f"fine-tuned on {self.data.description}",
            f"{self.model.spec.name}, trained on for {step} steps with labels",
            {"training_step": step, "finetuning": asdict(self.settings) | {"views": views}},
        )
        write_checkpoint(path, self.network, card)


def batch_rows(step: int, count: int, batch: int, seed: int) -> np.ndarray:
    """The images of a step: every epoch has its own order, and an incomplete last batch is left out."""
    per_epoch = count // batch
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return order[place * batch : (place + 1) * batch]


def _load(part: Part, rows: np.ndarray, geometry: Geometry) -> tuple[Tensor, Tensor]:
    pixels, failed = part.source.load(part.indices[rows].tolist(), geometry)
    readable = np.setdiff1d(np.arange(len(rows)), list(failed))
    if len(readable) < 2:  # batch normalisation needs two
        reason = next(iter(failed.values())).reason if failed else "a batch of one image"
        raise DataError(f"A batch of {part.source.name} has fewer than two images that can be read: {reason}.")
    return torch.from_numpy(pixels[readable]).permute(0, 3, 1, 2), torch.from_numpy(part.labels[rows[readable]])


def _schedule(step: int, steps: int) -> float:
    warm = max(1, round(0.05 * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _seed(seed: int, purpose: str, step: int) -> int:
    return int(digest([seed, purpose, step])[:15], 16)
