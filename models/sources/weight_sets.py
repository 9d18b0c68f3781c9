"""Which weights of a checkpoint are a network's own: wrappers, prefixes, and files with several sets of weights.

A set of weights is whatever part of a file holds every entry of the network under one prefix. Of several sets the one
that timm's ``load_checkpoint`` would read is taken (its averaged weights before the plain ones), and only where timm
knows them all; else the user has to choose.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import torch

from ...errors import CheckpointError

WHOLE = "all"
"""What a set is called that is the file itself."""

_TIMM = ("state_dict_ema", "model_ema", "state_dict", "model")  # timm.models._helpers.load_state_dict, in its order
_PLAIN = ("state_dict", "model")
_COUNTER = "num_batches_tracked"
_BOOKKEEPING = re.compile(
    r"(^|\.)(total_ops|total_params)$|^n_averaged$|^([a-z_]*loss|loss_fn|criterion|metrics?)(\.|$)"
)
_AVERAGED = re.compile(r"(^|[^a-z])(ema|swa|averag[a-z]*|avg|shadow)([^a-z]|$)", re.IGNORECASE)
_DEPTH = 5
_LONG = 1000  # letters of a name that is still looked at
_SHOWN = 3


@dataclass(frozen=True)
class WeightSet:
    """A part of a file that holds a network's entries, all of them unless it is said otherwise.

    Attributes:
        name: What the user writes to ask for it; `WHOLE` where the file holds nothing else.
        place: Keys that lead to it in the file, joined by ``/``; empty at the top.
        prefix: What stands before the network's own names, with its dot.
        tensors: The network's entries and, where there are any, entries that it has no place for, without the prefix.
        left_out: Names beside the network, as they are in the file.
        averaged: Whether its name says that it holds averaged weights.
        lacking: How many of the network's entries are not there.
    """

    name: str
    place: str
    prefix: str
    tensors: Mapping[str, torch.Tensor]
    left_out: tuple[str, ...] = ()
    averaged: bool = False
    lacking: int = 0


@dataclass(frozen=True)
class Chosen:
    """The set that is used, and what the user should know.

    Attributes:
        weights: The set.
        others: Names of the other sets of the file.
        plain: Whether a file with several sets has this one where a reader that knows of none looks first.
        note: A sentence about what was chosen, taken off and left out; empty where the file is the network alone.
    """

    weights: WeightSet
    others: tuple[str, ...] = ()
    plain: bool = True
    note: str = ""


def choose(
    loaded: Any, own: Collection[str], heads: Collection[str], wanted: str | None, where: str, what: str
) -> Chosen:
    """Find a network's weights in what a file holds.

    Args:
        loaded: From `torch_files.load_torch` or safetensors.
        own: Names of the network's entries.
        heads: Modules of its classifier, which may have their place beside a prefixed encoder.
        wanted: The set that the user asked for: a name, ``"ema"`` or ``"raw"``; None leaves the choice to the file.
        where: The file, for messages.
        what: The network, for messages.

    Returns:
        The choice. Its weights lack entries only where no part of the file has them all: `fit` then says which.

    Raises:
        CheckpointError: No weights of this network at all, several sets without a rule to choose by, or none of the
            name that was asked for.
    """
    needed = frozenset(name for name in own if not name.endswith(_COUNTER))
    parts = _parts(loaded)
    found = [fit for place, entries in parts.items() for fit in _fits(place, entries, frozenset(own), needed, heads)]
    if not found:
        raise CheckpointError(_nothing(loaded, parts, where, what))
    plain = _plain_place(loaded)
    complete = _named(_distinct([fit for fit in found if not fit.lacking], plain))
    partial = _named([max(_at(found, place), key=_matched) for place in dict.fromkeys(fit.place for fit in found)])
    if not complete:
        # `fit` says what the nearest one lacks.
        nearest = max(partial, key=_matched) if wanted is None else _asked(wanted, partial, where)
        return Chosen(nearest, note=_note(nearest, ()))
    halves = [fit for fit in partial if 0 < 2 * fit.lacking < len(needed) and not _at(complete, fit.place)]
    sets = [*complete, *halves]
    chosen = _asked(wanted, sets, where) if wanted is not None else _preferred(complete, halves, where)
    others = [other for other in sets if other is not chosen]
    alone = chosen.place == plain and len(_at(complete, plain)) == 1
    return Chosen(chosen, tuple(other.name for other in others), alone, _note(chosen, others))


def _parts(loaded: Any) -> dict[str, dict[str, torch.Tensor]]:
    """Every mapping of names to tensors, by the keys that lead to it; each once, however often it is referred to."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    seen: set[int] = set()
    level: list[tuple[str, Any]] = [("", loaded)]
    for _ in range(_DEPTH):
        deeper: list[tuple[str, Any]] = []
        for place, held in level:
            if not isinstance(held, Mapping) or id(held) in seen:
                continue
            seen.add(id(held))
            entries = {k: v for k, v in held.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
            if entries:
                found[place] = entries
            deeper += [(f"{place}/{k}" if place else k, v) for k, v in held.items() if isinstance(k, str)]
        level = deeper
    return found


def _fits(
    place: str, entries: Mapping[str, torch.Tensor], own: frozenset[str], needed: frozenset[str], heads: Collection[str]
) -> list[WeightSet]:
    """The sets in one mapping: all complete ones, else the one that lacks least; none where no name fits at all."""
    counts: Counter[str] = Counter()
    for name in entries:
        for start in _starts(name):
            if name[start:] in needed:
                counts[name[:start]] += 1
    if not counts:
        return []
    whole = [prefix for prefix, count in counts.items() if count == len(needed)]
    if not whole:
        best = max(counts, key=lambda prefix: (counts[prefix], -len(prefix)))
        return [_with_head_beside(_under(place, best, entries, own, ()), entries, needed, heads)]
    return [_under(place, p, entries, own, [q for q in whole if q != p]) for p in sorted(whole, key=len)]


def _starts(name: str) -> Iterable[int]:
    """Where a name, or what follows one of its dots, begins."""
    return () if len(name) > _LONG else (0, *(dot.end() for dot in re.finditer(r"\.", name)))


def _under(
    place: str, prefix: str, entries: Mapping[str, torch.Tensor], own: frozenset[str], others: Collection[str]
) -> WeightSet:
    tensors, left_out = {}, []
    for name, tensor in entries.items():
        bare = name.removeprefix(prefix)
        if name.startswith(prefix) and not any(len(o) > len(prefix) and name.startswith(o) for o in others):
            if bare in own or not _BOOKKEEPING.search(bare):
                # An entry inside the network that it has no place for means another architecture: `fit` refuses it.
                tensors[bare] = tensor
            else:
                left_out.append(name)
        elif not any(name.startswith(other) for other in others):
            left_out.append(name)
    averaged = bool(_AVERAGED.search(f"{place}/{prefix}")) or any(k.endswith("n_averaged") for k in left_out)
    lacking = sum(name not in tensors for name in own if not name.endswith(_COUNTER))
    return WeightSet("", place, prefix, tensors, tuple(left_out), averaged, lacking)


def _with_head_beside(
    fit: WeightSet, entries: Mapping[str, torch.Tensor], needed: frozenset[str], heads: Collection[str]
) -> WeightSet:
    """A classifier that stands beside a prefixed encoder (``backbone.conv1.weight`` and ``fc.weight``) belongs to it.

    Only where nothing else stands there: a layer between the two would be lost.
    """
    missing = [name for name in needed if name not in fit.tensors]
    if not missing or not all(any(name.startswith(f"{head}.") for head in heads) for name in missing):
        return fit
    starts = [0, *(dot.end() for dot in re.finditer(r"\.", fit.prefix[:-1]))] if fit.prefix else []
    for outer in (fit.prefix[:start] for start in reversed(starts)):
        beside = {name: f"{outer}{name}" for name in missing}
        if all(place in entries for place in beside.values()):
            left = [name for name in fit.left_out if name not in beside.values()]
            if all(_BOOKKEEPING.search(name.removeprefix(outer)) for name in left):
                tensors = {**fit.tensors, **{name: entries[place] for name, place in beside.items()}}
                return replace(fit, tensors=tensors, left_out=tuple(left), lacking=0)
    return fit


def _at(fits: list[WeightSet], place: str) -> list[WeightSet]:
    return [fit for fit in fits if fit.place == place]


def _matched(fit: WeightSet) -> tuple[int, int]:
    return -fit.lacking, -len(fit.prefix)


def _distinct(fits: list[WeightSet], plain: str) -> list[WeightSet]:
    """Sets that hold the same values are one, under the shortest of their names or the usual one."""
    kept: list[WeightSet] = []
    for fit in sorted(fits, key=lambda fit: (fit.place != plain, len(fit.prefix))):
        if not any(_same(fit.tensors, other.tensors) for other in kept):
            kept.append(fit)
    return kept


def _same(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    if a.keys() != b.keys() or any(a[k].shape != b[k].shape or a[k].dtype != b[k].dtype for k in a):
        return False
    return all(_held(a[k]) and _held(b[k]) and torch.equal(a[k], b[k]) for k in a)


def _held(tensor: torch.Tensor) -> bool:
    """Whether all its values are there; a few bytes may pose as terabytes by strides of 0."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _named(fits: list[WeightSet]) -> list[WeightSet]:
    """Names by place, and by prefix where several sets share one place."""
    shared = Counter(fit.place for fit in fits)
    named = []
    for fit in fits:
        words = [fit.place] if shared[fit.place] == 1 else [fit.place, fit.prefix.rstrip(".")]
        named.append(replace(fit, name="/".join(word for word in words if word) or WHOLE))
    return named


def _aliases(sets: list[WeightSet]) -> dict[str, WeightSet]:
    """``ema`` and ``raw``, where exactly one set is meant."""
    found = {}
    for alias, averaged in (("ema", True), ("raw", False)):
        meant = [fit for fit in sets if fit.averaged == averaged]
        # Where Lightning swaps the averaged weights in, the others are kept as "current_model_state".
        if any(fit.place == "current_model_state" for fit in sets):
            meant = [fit for fit in sets if (fit.place == "state_dict") == averaged and "/" not in fit.place]
        if len(meant) == 1:
            found[alias] = meant[0]
    return found


def _asked(wanted: str, sets: list[WeightSet], where: str) -> WeightSet:
    by_name = _aliases(sets) | {fit.name: fit for fit in sets}
    if wanted not in by_name:
        raise CheckpointError(f"{where} has no set of weights {wanted!r}. {_valid(sets)}")
    return by_name[wanted]


def _valid(sets: list[WeightSet]) -> str:
    lines = [f"weights={quoted(name)}" for name in dict.fromkeys([*(fit.name for fit in sets), *_aliases(sets)])]
    return f"Valid: {', '.join(lines)}, written behind the file's name as in 'file:PATH?arch=timm:NAME&{lines[0]}'."


def _preferred(complete: list[WeightSet], halves: list[WeightSet], where: str) -> WeightSet:
    if len(complete) > 1 and (
        not all(fit.name in _TIMM for fit in complete) or len({fit.place for fit in complete}) < len(complete)
    ):
        raise CheckpointError(
            f"{where} holds {len(complete)} sets of weights, and which one is meant is not clear. {_valid(complete)}"
        )
    best = min(complete, key=lambda fit: _TIMM.index(fit.name) if fit.name in _TIMM else len(_TIMM))
    for fit in halves:
        if fit.name in _TIMM and (best.name not in _TIMM or _TIMM.index(fit.name) < _TIMM.index(best.name)):
            raise CheckpointError(
                f"{where} holds several sets of weights, and the one that would be used, {fit.name}, lacks "
                f"{fit.lacking} entries of the network. {_valid(complete)}"
            )
    return best


def _plain_place(loaded: Any) -> str:
    """Where a reader looks that knows wrappers but no averaged weights."""
    place: list[str] = []
    for _ in range(2):
        key = next((k for k in _PLAIN if isinstance(loaded, Mapping) and isinstance(loaded.get(k), Mapping)), None)
        if key is not None:
            place.append(key)
            loaded = loaded[key]
    return "/".join(place)


def _note(chosen: WeightSet, others: list[WeightSet] | tuple[()]) -> str:
    """What was chosen, taken off and left out, as one sentence or several."""
    found = []
    if others:
        asks = {id(fit): alias for alias, fit in _aliases([chosen, *others]).items()}
        named = [f"{shown([fit.name])} with &weights={quoted(asks.get(id(fit), fit.name))}" for fit in others]
        found.append(
            f"The file holds {len(others) + 1} sets of weights: {shown([chosen.name])} is used; {', '.join(named)}."
        )
    elif chosen.averaged:
        found.append(f"These are averaged weights ({chosen.place or chosen.prefix.rstrip('.') or 'n_averaged'}).")
    if chosen.left_out:
        found.append(f"Left out, as it lies beside the network: {shown(chosen.left_out)}.")
    return " ".join(found)


def _nothing(loaded: Any, parts: Mapping[str, Mapping[str, Any]], where: str, what: str) -> str:
    if isinstance(loaded, Mapping):
        names = [f"{place}/{name}" if place else name for place, entries in parts.items() for name in entries]
        held = f"the keys {shown(names or [str(k) for k in loaded]) or '(none)'}"
    else:
        held = f"a {type(loaded).__name__}"
    return (
        f"{where} holds no state dict of {what} (names and tensors, with any prefix, alone or in a dictionary); "
        f"it holds {held}. Name the architecture that it was trained with."
    )


def quoted(name: str) -> str:
    """A set's name as it is written in ``&weights=NAME``."""
    return quote(name, safe="/._-")


def shown(names: Collection[str]) -> str:
    """The first few names, and how many there are if these are not all."""
    first = ", ".join(name[:100] if name.isprintable() else repr(name[:100]) for name in list(names)[:_SHOWN])
    return f"{first}, ... ({len(names)} in all)" if len(names) > _SHOWN else first
