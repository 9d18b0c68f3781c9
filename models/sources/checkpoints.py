"""What a user's checkpoint holds: a classifier of a known architecture, or an encoder with a linear head.

The head of an encoder may be in a file of its own, or beside the encoder. It may read more than the features of the
last layer (`vitobench.models.pooled_layers`); its width says which, and where two ways give the same width, the user.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import CheckpointError
from ...identity import digest
from ..class_order import LISTS, NEVER, ClassOrder, order_of, unknown_count
from ..pooled_layers import OWN_FEATURES, LayerPool, pool_of_width
from ..probing.heads import HeadedNetwork, HeadSpec, LinearHead, has_class_token, headed, width_of
from ..state_dicts import check_fit, fit, read_checkpoint, skeleton, tensors_digest
from ..weight_sets import Chosen, choose, is_outside, parts_of, shown
from ..zoo_card import ENCODER_ONLY, LABEL_SPACES, label_space_of
from .source import Architecture

NO_HEAD = "none"
"""Value of the option ``head`` for an encoder that is read without a classifier."""

_ANY_COUNT = 1000  # classes of the network that names are compared with, before the real number is read from the file
_PLAIN_HEADS = ("", "linear_head")  # modules of the published heads of DINOv2 and DINOv3, and of what wraps them
_EPS = {False: 1e-6, True: 1e-5}  # of a batch norm without weights, as in main_linprobe.py of MAE, and torch's default
_TINY_VARIANCE = 1e-3  # below this, the two differ in scale by 0.4 % and more


@dataclass(frozen=True)
class Wanted:
    """What the user wrote about a checkpoint.

    Attributes:
        path: The file.
        architecture: What it is for.
        weights: One of several sets of weights; None for the default.
        head: The file of its head, `NO_HEAD`, or None if the classifier is in the file.
        layers: How many layers the head reads; 0 to find out by its width.
        pool: One of `vitobench.models.pooled_layers.POOLS`; empty to find out.
        classes: See `vitobench.models.class_order.order_of`.
    """

    path: Path
    architecture: Architecture
    weights: str | None = None
    head: str | None = None
    layers: int = 0
    pool: str = ""
    classes: str | None = None


@dataclass(frozen=True)
class Head:
    """A linear layer.

    Attributes:
        name: Of its weight, in its file.
        weight: (K, D).
        bias: (K,).
        used: Names of all entries it was made of.
        note: What was folded into it, as the end of a sentence; empty if nothing was.
    """

    name: str
    weight: Tensor
    bias: Tensor
    used: frozenset[str]
    note: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint was found to hold.

    Attributes:
        chosen: The network's weights.
        network: Builds the network, without values.
        label_space: Of its outputs, after `order`.
        architecture: Its name, with that of a head.
        order: How its outputs are read; None as they are.
        head: A head that is not the architecture's own classifier.
        pool: What that head reads.
        note: Sentences about what was chosen; empty if there was no choice.
    """

    chosen: Chosen
    network: Callable[[], nn.Module]
    label_space: str
    architecture: str
    order: ClassOrder | None = None
    head: Head | None = None
    pool: LayerPool = OWN_FEATURES
    note: str = ""

    def weights_hash(self, file: str) -> str:
        """Hash of all that determines its outputs, apart from the architecture.

        Args:
            file: SHA-256 of the checkpoint. It alone is the hash if the outputs follow from the file.
        """
        several = not self.chosen.plain and self.chosen.others
        parts: list[Any] = [file, self.chosen.weights.name] if several else [file]
        if self.head is not None:
            parts.append(tensors_digest({"weight": self.head.weight, "bias": self.head.bias}))
        if self.order is not None and not self.order.plain:
            parts.append(self.order.outputs)
        return file if len(parts) == 1 else digest(parts)


def examine(wanted: Wanted) -> Checkpoint:
    """Find out what a checkpoint holds.

    Raises:
        CheckpointError: Its weights do not fit the architecture, it has no classifier, its head fits two ways of
            reading the encoder or none, or its outputs have no known order. The message says what was found, and what
            to write.
    """
    loaded = read_checkpoint(wanted.path)
    if wanted.head is None and not wanted.pool and not wanted.layers:
        checkpoint = _classifier(loaded, wanted)
        if checkpoint is not None:
            return checkpoint
    return _encoder(loaded, wanted)


def load(checkpoint: Checkpoint, wanted: Wanted) -> nn.Module:
    """Build the network of a checkpoint, with its weights."""
    where, architecture, order = str(wanted.path), wanted.architecture, checkpoint.order
    tensors = checkpoint.chosen.weights.tensors
    network = checkpoint.network()
    if checkpoint.head is None:
        fit(network, tensors if order is None else reordered(tensors, architecture.heads, order, where), where)
        return architecture.wrap(network, LABEL_SPACES.get(checkpoint.label_space, 0))
    fit(network, tensors, where)
    weight, bias = checkpoint.head.weight.float(), checkpoint.head.bias.float()
    if order is not None:
        rows = reordered({"head.weight": weight, "head.bias": bias}, ("head",), order, where)
        weight, bias = rows["head.weight"], rows["head.bias"]
    linear = LinearHead(weight.shape[1], len(weight))
    with torch.no_grad():
        linear.linear.weight.copy_(weight)
        linear.linear.bias.copy_(bias)
    return HeadedNetwork(architecture.wrap(network, 0), linear, checkpoint.pool)


def _classifier(loaded: Any, wanted: Wanted) -> Checkpoint | None:
    """A checkpoint with the architecture's own classifier; None if it may be an encoder with another head."""
    architecture, where = wanted.architecture, str(wanted.path)
    first: tuple[Chosen, Mapping[str, Tensor]] | None = None
    for build in (architecture.network, *architecture.others):
        entries: Mapping[str, Tensor] = skeleton(partial(build, _ANY_COUNT))
        chosen = _choose(loaded, entries, wanted, build, _ANY_COUNT, architecture.heads)
        if first is None:
            first = chosen, entries
        weight = chosen.weights.tensors.get(f"{architecture.heads[0]}.weight")
        if weight is None or weight.ndim == 0 or _lacks_others(chosen, entries, architecture.heads):
            continue
        count = int(weight.shape[0])
        order, space = _order(count, wanted.classes, where)
        check_fit(entries if count == _ANY_COUNT else skeleton(partial(build, count)), chosen.weights.tensors, where)
        note = " ".join(text for text in (chosen.note, order.note if order else "") if text)
        return Checkpoint(chosen, partial(build, LABEL_SPACES[space]), space, architecture.name, order, note=note)
    assert first is not None
    chosen, entries = first
    if _lacks_others(chosen, entries, architecture.heads):
        # Entries of the network itself are missing: say which, unless it is an encoder under other names.
        without = skeleton(partial(architecture.network, 0))
        encoder = _choose(loaded, without, wanted, architecture.network, 0, (), architecture.heads)
        if _lacks_others(encoder, without, ()):
            weight = chosen.weights.tensors.get(f"{architecture.heads[0]}.weight")
            counted = partial(architecture.network, len(weight) if weight is not None and weight.ndim else _ANY_COUNT)
            check_fit(skeleton(counted), chosen.weights.tensors, where)
    return None


def _choose(
    loaded: Any,
    entries: Mapping[str, Tensor],
    wanted: Wanted,
    build: Callable[[int], nn.Module],
    classes: int,
    heads: Collection[str],
    without: Collection[str] = (),
) -> Chosen:
    """The weights for a network with these entries; see `vitobench.models.weight_sets.choose`."""
    rule = wanted.architecture.convert
    networks: list[nn.Module] = []

    def convert(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        assert rule is not None
        if not networks:
            networks.append(build(classes))
        return rule(tensors, networks[0])

    what = wanted.architecture.name.rpartition(":")[2]
    given = None if rule is None else convert
    return choose(loaded, entries, heads, wanted.weights, str(wanted.path), what, given, without)


def _lacks_others(chosen: Chosen, entries: Collection[str], heads: Collection[str]) -> bool:
    """Whether entries other than the classifier's are missing."""
    ours = tuple(f"{head}." for head in heads)
    needed = (name for name in entries if not name.startswith(ours) and not name.endswith("num_batches_tracked"))
    return any(name not in chosen.weights.tensors for name in needed)


def _order(count: int, classes: str | None, where: str) -> tuple[ClassOrder | None, str]:
    """How outputs are read, and their label space."""
    if count in LABEL_SPACES.values() and classes is None:
        return None, label_space_of(count, where)
    order = order_of(count, classes, where)
    if order is None:
        raise CheckpointError(unknown_count(count, where))
    return (None if order.plain else order), order.space


def reordered(
    tensors: Mapping[str, Tensor], heads: Collection[str], order: ClassOrder, where: str
) -> Mapping[str, Tensor]:
    """A state dict whose classifier has the classes of the label space, in its order."""
    rows = torch.tensor(order.outputs)
    absent = rows < 0
    changed: dict[str, Tensor] = dict(tensors)
    for head in heads:
        weight, bias = tensors.get(f"{head}.weight"), tensors.get(f"{head}.bias")
        if weight is None:
            continue
        changed[f"{head}.weight"] = weight[rows.clamp(min=0)].clone()
        changed[f"{head}.weight"][absent] = 0
        if bias is not None:
            changed[f"{head}.bias"] = bias[rows.clamp(min=0)].float()
            changed[f"{head}.bias"][absent] = NEVER
        elif absent.any():
            raise CheckpointError(
                f"{where} lacks {int(absent.sum())} classes of {order.space}, and its classifier has no bias that "
                "could keep them from being predicted. Give it one, or a head that has all classes."
            )
    return changed


# Encoders with a head of their own.


def _encoder(loaded: Any, wanted: Wanted) -> Checkpoint:
    architecture, where = wanted.architecture, str(wanted.path)
    entries = skeleton(partial(architecture.network, 0))
    chosen = _choose(loaded, entries, wanted, architecture.network, 0, (), architecture.heads)
    check_fit(entries, chosen.weights.tensors, where)

    build = partial(architecture.network, 0)
    if wanted.head == NO_HEAD:
        return Checkpoint(chosen, build, ENCODER_ONLY, architecture.name, note=chosen.note)
    if wanted.head is None:
        head = _beside(loaded, chosen, wanted)
        names = [name for name in chosen.weights.left_out if name not in head.used]
        chosen = replace(chosen, weights=replace(chosen.weights, left_out=tuple(names)))
    else:
        head = _head_file(Path(wanted.head))
    encoder: Any = architecture.wrap(build(), 0).eval()
    pool = _pool(head, encoder, wanted)
    order, space = _order(len(head.weight), wanted.classes, wanted.head or where)
    reads = pool.text.replace(",", ", ") if pool else "the encoder's features"
    what = f"{head.name}{head.note}"
    note = f"The classifier is {what}, {len(head.weight)} classes on {head.weight.shape[1]} numbers ({reads})."
    return Checkpoint(
        chosen,
        build,
        space,
        headed(architecture.name, HeadSpec("linear", layers=pool.layers, pool=pool.pool)),
        order,
        head,
        pool,
        " ".join(text for text in (chosen.note, note, order.note if order else "") if text),
    )


def _linear_layers(entries: Mapping[str, Tensor]) -> list[Head]:
    """Linear layers among some entries, each with the batch norm before it, if there is one."""
    heads = []
    for name, weight in entries.items():
        if name.rpartition(".")[2] == "weight" and weight.ndim == 2 and weight.is_floating_point():
            bias = entries.get(f"{name.removesuffix('weight')}bias")
            if bias is None or bias.shape == weight.shape[:1]:
                used = frozenset({name} if bias is None else {name, f"{name.removesuffix('weight')}bias"})
                head = Head(name, weight, torch.zeros(len(weight)) if bias is None else bias, used)
                heads.append(_with_norm(head, entries))
    return heads


def _with_norm(head: Head, entries: Mapping[str, Tensor]) -> Head:
    """A head with the batch norm right before it folded in, as MAE's linear probes have one; else the same head."""
    place, _, number = head.name.removesuffix(".weight").rpartition(".")
    before = f"{place}." * bool(place) + str(int(number) - 1 if number.isdecimal() else -1)
    norm = {name.rpartition(".")[2]: value for name, value in entries.items() if name.rpartition(".")[0] == before}
    keys, statistics = norm.keys() - {"num_batches_tracked"}, {"running_mean", "running_var"}
    affine = keys == statistics | {"weight", "bias"}
    if not (affine or keys == statistics) or any(norm[key].shape != head.weight.shape[1:] for key in keys):
        return head
    variance, eps = norm["running_var"].double(), _EPS[affine]
    if not (variance > 0).all():
        return head
    scale = (norm["weight"].double() if affine else 1) / (variance + eps).sqrt()
    shift = (norm["bias"].double() if affine else 0) - norm["running_mean"].double() * scale
    weight = head.weight.double()
    tiny = int((variance < _TINY_VARIANCE).sum())
    matters = f"; {tiny} variances are so small that eps matters" if tiny else ""
    return replace(
        head,
        weight=(weight * scale).to(head.weight.dtype),
        bias=(head.bias.double() + weight @ shift).to(head.bias.dtype),
        used=head.used | {f"{before}.{key}" for key in norm},
        note=f" after the batch norm {before} (eps {eps:g}, which files do not hold{matters})",
    )


def _head_file(path: Path) -> Head:
    """The linear layer in a file of its own.

    Raises:
        CheckpointError: There is none, several, or something else besides.
    """
    parts = [
        {name: value for name, value in entries.items() if not is_outside(name)}
        for place, entries in parts_of(read_checkpoint(path)).items()
        if "optim" not in place
    ]
    layers = [(head, entries) for entries in parts for head in _linear_layers(entries)]
    if len(layers) != 1:
        names = shown([head.name for head, _ in layers]) if layers else shown([k for part in parts for k in part])
        raise CheckpointError(
            f"{path} holds {len(layers) or 'no'} linear layers ({names or 'no entries'}); a head is one, with weight "
            'and bias. Save the one you mean: torch.save({"weight": weight, "bias": bias}, "head.pth").'
        )
    head, entries = layers[0]
    others = [name for name in entries if name not in head.used]
    if others:
        raise CheckpointError(
            f"{path} holds more than a linear layer ({shown(others)}), which would be lost. Fold what comes before it "
            "into its weights, or fit a head with `bench probe`."
        )
    return head


def _beside(loaded: Any, chosen: Chosen, wanted: Wanted) -> Head:
    """The classifier in the encoder's own file.

    Raises:
        CheckpointError: There is none, or it is not clear which.
    """
    architecture, path = wanted.architecture, wanted.path
    entries = parts_of(loaded).get(chosen.weights.place, {})
    left = [name for name in chosen.weights.left_out if name in entries]
    counts = {*LABEL_SPACES.values(), *(count for count, _ in LISTS.values())}
    layers = [
        head
        for head in _linear_layers({name: entries[name] for name in left})
        if f"{head.name.removesuffix('weight')}bias" in entries
        if wanted.classes is not None or len(head.weight) in counts
    ]
    prefix = chosen.weights.prefix
    others = [n for n in left if not is_outside(n.removeprefix(prefix)) and not is_outside(n.rpartition("module.")[2])]
    if len(layers) == 1 and layers[0].used.issuperset(others):
        return layers[0]
    several = f" Linear layers besides: {shown([head.name for head in layers])}." if layers else ""
    raise CheckpointError(
        f"{path} has no classifier ({architecture.heads[0]}.weight), which {architecture.name.rpartition(':')[2]} ends "
        f"in; its entries begin {shown(list(chosen.weights.tensors))}.{several} Name the file of its linear head with "
        f"&head=FILE, or read it with &head={NO_HEAD} and fit one with `bench probe`."
    )


def _pool(head: Head, encoder: Any, wanted: Wanted) -> LayerPool:
    """What a head reads of an encoder, by its width.

    Raises:
        CheckpointError: Its width fits two ways of reading, or none.
    """
    inputs, width = head.weight.shape[1], width_of(encoder, tokens=False)
    factor, rest = divmod(inputs, width)
    form = "plain" if head.name.rpartition(".")[0].rpartition(".")[2] in _PLAIN_HEADS else "dino"
    if wanted.pool or wanted.layers:
        pool = LayerPool(wanted.layers or 1, wanted.pool or "cls+mean")
        expected = {"cls": pool.layers, "mean": pool.layers, "cls+mean": pool.layers + 1, "interleaved": 2}[pool.pool]
        if (factor, rest) != (expected, 0):
            raise CheckpointError(
                f"{head.name} reads {inputs} numbers, but layers={pool.layers} and pool={pool.pool} of an encoder of "
                f"width {width} give {expected * width}."
            )
        return pool
    if inputs == width and not has_class_token(encoder):
        return OWN_FEATURES
    ways = pool_of_width(factor, form) if not rest else []
    if len(ways) == 1:
        return ways[0]
    if not ways:
        raise CheckpointError(
            f"{head.name} reads {inputs} numbers, and the encoder gives {width}. Heads read 1, 2 (class token and mean "
            "of patches), 4 (class tokens of 4 layers) or 5 times that (and the mean). For others write "
            "&layers=N&pool=POOL."
        )
    choices = " or ".join(f"&layers={way.layers}&pool={way.pool}" for way in ways)
    raise CheckpointError(
        f"{head.name} reads {inputs} numbers, {factor} times the encoder's {width}, which fits more than one way of "
        f"reading it. Choose: {choices}."
    )
