"""Find a network's weights in a checkpoint: wrappers, prefixes, and files with several sets of weights.

A set of weights is a part of a file with every entry of the network under one prefix. If there are several, the one
that timm's ``load_checkpoint`` would read is used (averaged weights before plain ones), but only if timm knows all of
them; otherwise the user has to choose.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any
from urllib.parse import quote

import torch

from ..errors import CheckpointError

WHOLE = "all"
"""Name of a set that is the whole file."""

_TIMM = ("state_dict_ema", "model_ema", "state_dict", "model")  # timm.models._helpers.load_state_dict, in its order
_PLAIN = ("state_dict", "model")
_COUNTER = "num_batches_tracked"
_BOOKKEEPING = re.compile(
    r"(^|\.)(total_ops|total_params)$|^n_averaged$|^([a-z_]*loss|loss_fn|criterion|metrics?)(\.|$)"
)
_PRETRAINING = re.compile(
    r"^(mask_token|decoder_[a-z_]+|(mask_|dino_|ibot_|proj_)head|projection_head|projector|predictor|prototypes)(\.|$)"
)
"""Entries that only pretraining reads: of MAE's decoder, of heads for projections, and tokens for masked patches."""
_AVERAGED = re.compile(r"(^|[^a-z])(ema|swa|averag[a-z]*|avg|shadow)([^a-z]|$)", re.IGNORECASE)
_DEPTH = 5
_LONG = 1000  # maximum length of a name; longer ones are ignored
_SHOWN = 3


@dataclass(frozen=True)
class WeightSet:
    """A part of a file with all entries of a network, or some of them.

    Attributes:
        name: What the user types to choose it; `WHOLE` if the file contains nothing else.
        place: Keys that lead to it in the file, joined by ``/``; empty at the top.
        prefix: Prefix of the network's names, with its dot.
        tensors: The network's entries and any unexpected entries, without the prefix.
        left_out: Names that are not part of the network, as they are in the file.
        averaged: Whether its name indicates averaged weights.
        lacking: Number of missing entries.
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
    """The chosen set of weights.

    Attributes:
        weights: The set.
        others: Names of the other sets in the file.
        plain: Whether a reader that does not know about several sets would use this one.
        choice: A sentence about the choice; empty if there was none.
    """

    weights: WeightSet
    others: tuple[str, ...] = ()
    plain: bool = True
    choice: str = ""

    @property
    def note(self) -> str:
        """Sentences about the choice and about what was ignored; empty if the file contains just the network."""
        left_out = self.weights.left_out
        ignored = f"Left out, because it is not part of the network: {shown(left_out)}." if left_out else ""
        return " ".join(sentence for sentence in (self.choice, ignored) if sentence)


Convert = Callable[[Mapping[str, torch.Tensor]], Mapping[str, torch.Tensor]]
"""Translates the names of a published checkpoint into the network's own."""


def choose(
    loaded: Any,
    own: Collection[str],
    heads: Collection[str],
    wanted: str | None,
    where: str,
    what: str,
    convert: Convert | None = None,
    without: Collection[str] = (),
) -> Chosen:
    """Find a network's weights in the contents of a file.

    Args:
        loaded: From `state_dicts.load_torch` or safetensors.
        own: Names of the network's entries.
        heads: Modules of its classifier, which may be outside of a prefixed encoder.
        wanted: The set chosen by the user: a name, ``"ema"`` or ``"raw"``; None for the default.
        where: The file, for error messages.
        what: The network, for error messages.
        convert: Tried on every mapping of the file if none has all entries as it is.
        without: Modules that this network was built without, whose entries are left out: the classifier of an encoder.

    Returns:
        The choice. If no part of the file has all entries, its weights are incomplete, and `fit` will report that.

    Raises:
        CheckpointError: There are no weights of this network, several sets without a default, or no set of the chosen
            name.
    """
    needed = frozenset(name for name in own if not name.endswith(_COUNTER))
    parts = parts_of(loaded)

    def candidates_in(parts: Mapping[str, Mapping[str, torch.Tensor]]) -> list[WeightSet]:
        return [
            fit
            for place, entries in parts.items()
            for fit in _fits(place, entries, frozenset(own), needed, heads, without)
        ]

    candidates = candidates_in(parts)
    if convert is not None and all(map(_unfit, candidates, repeat(frozenset(own)))):
        converted = candidates_in({place: _converted(entries, needed, convert) for place, entries in parts.items()})
        if not all(map(_unfit, converted, repeat(frozenset(own)))):
            candidates = converted
    if not candidates:
        raise CheckpointError(_nothing(loaded, parts, where, what))
    plain = _plain_place(loaded)
    complete = _named(_distinct([fit for fit in candidates if not fit.lacking], plain))
    partial = _named(
        [max(_at(candidates, place), key=_matched) for place in dict.fromkeys(fit.place for fit in candidates)]
    )
    if not complete:
        # `fit` will report what the nearest set lacks.
        nearest = max(partial, key=_matched) if wanted is None else _asked(wanted, partial, where)
        return Chosen(nearest, choice=_choice(nearest, ()))
    halves = [fit for fit in partial if 0 < 2 * fit.lacking < len(needed) and not _at(complete, fit.place)]
    sets = [*complete, *halves]
    chosen = _asked(wanted, sets, where) if wanted is not None else _preferred(complete, halves, where)
    others = [other for other in sets if other is not chosen]
    alone = chosen.place == plain and len(_at(complete, plain)) == 1
    return Chosen(chosen, tuple(other.name for other in others), alone, _choice(chosen, others))


def parts_of(loaded: Any) -> dict[str, dict[str, torch.Tensor]]:
    """Every mapping of names to tensors, by the keys that lead to it; repeated references are listed only once."""
    parts: dict[str, dict[str, torch.Tensor]] = {}
    visited: set[int] = set()
    level: list[tuple[str, Any]] = [("", loaded)]
    for _ in range(_DEPTH):
        deeper: list[tuple[str, Any]] = []
        for place, node in level:
            if not isinstance(node, Mapping) or id(node) in visited:
                continue
            visited.add(id(node))
            entries = {k: v for k, v in node.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
            if entries:
                parts[place] = entries
            deeper += [(f"{place}/{k}" if place else k, v) for k, v in node.items() if isinstance(k, str)]
        level = deeper
    return parts


def _unfit(fit: WeightSet, own: frozenset[str]) -> bool:
    """Whether entries are missing, or there are others inside the network."""
    return bool(fit.lacking) or any(name not in own for name in fit.tensors)


def _converted(
    entries: Mapping[str, torch.Tensor], needed: frozenset[str], convert: Convert
) -> Mapping[str, torch.Tensor]:
    """A mapping in which what is under the prefix of a network has the network's own names."""
    result = dict(entries)
    for prefix, count in _prefixes(entries, needed).items():
        if 2 * count < len(needed):
            continue
        inside = {name.removeprefix(prefix): value for name, value in entries.items() if name.startswith(prefix)}
        try:
            translated = convert(inside)
        except Exception:  # a library's rule for a checkpoint of another form can raise anything
            continue
        for name in inside:
            result.pop(f"{prefix}{name}", None)
        result |= {f"{prefix}{name}": value for name, value in translated.items()}
    return result


def _prefixes(entries: Iterable[str], needed: frozenset[str]) -> Counter[str]:
    """How many of the network's entries there are under each prefix."""
    counts: Counter[str] = Counter()
    for name in entries:
        for start in _starts(name):
            if name[start:] in needed:
                counts[name[:start]] += 1
    return counts


def _fits(
    place: str,
    entries: Mapping[str, torch.Tensor],
    own: frozenset[str],
    needed: frozenset[str],
    heads: Collection[str],
    without: Collection[str],
) -> list[WeightSet]:
    """The sets in one mapping: all complete ones, or else the most complete one; none if no name matches."""
    counts = _prefixes(entries, needed)
    if not counts:
        return []
    complete = [prefix for prefix, count in counts.items() if count == len(needed)]
    if not complete:
        best = max(counts, key=lambda prefix: (counts[prefix], -len(prefix)))
        return [_with_head_outside(_under(place, best, entries, own, (), without), entries, needed, heads)]
    return [
        _under(place, prefix, entries, own, [other for other in complete if other != prefix], without)
        for prefix in sorted(complete, key=len)
    ]


def _starts(name: str) -> Iterable[int]:
    """Positions at which a name, or a part of it after a dot, begins."""
    return () if len(name) > _LONG else (0, *(dot.end() for dot in re.finditer(r"\.", name)))


def _under(
    place: str,
    prefix: str,
    entries: Mapping[str, torch.Tensor],
    own: frozenset[str],
    others: Collection[str],
    without: Collection[str],
) -> WeightSet:
    tensors, left_out = {}, []
    for name, tensor in entries.items():
        bare = name.removeprefix(prefix)
        if name.startswith(prefix) and not any(len(o) > len(prefix) and name.startswith(o) for o in others):
            if bare in own or not (is_outside(bare) or bare.startswith(tuple(f"{module}." for module in without))):
                # Keep an unexpected entry inside the network: it means another architecture, and `fit` will reject it.
                tensors[bare] = tensor
            else:
                left_out.append(name)
        elif not any(name.startswith(other) for other in others):
            left_out.append(name)
    averaged = bool(_AVERAGED.search(f"{place}/{prefix}")) or any(k.endswith("n_averaged") for k in left_out)
    lacking = sum(name not in tensors for name in own if not name.endswith(_COUNTER))
    return WeightSet("", place, prefix, tensors, tuple(left_out), averaged, lacking)


def is_outside(name: str) -> bool:
    """Whether an entry is no part of any network's forward pass."""
    return bool(_BOOKKEEPING.search(name) or _PRETRAINING.search(name))


def _with_head_outside(
    fit: WeightSet, entries: Mapping[str, torch.Tensor], needed: frozenset[str], heads: Collection[str]
) -> WeightSet:
    """Add a classifier that is outside of a prefixed encoder (``backbone.conv1.weight`` and ``fc.weight``).

    Only if nothing else is there, because a layer between the two would be lost.
    """
    missing = [name for name in needed if name not in fit.tensors]
    if not missing or not all(any(name.startswith(f"{head}.") for head in heads) for name in missing):
        return fit
    starts = [0, *(dot.end() for dot in re.finditer(r"\.", fit.prefix[:-1]))] if fit.prefix else []
    for outer in (fit.prefix[:start] for start in reversed(starts)):
        outside = {name: f"{outer}{name}" for name in missing}
        if all(place in entries for place in outside.values()):
            remaining = [name for name in fit.left_out if name not in outside.values()]
            if all(is_outside(name.removeprefix(outer)) for name in remaining):
                tensors = {**fit.tensors, **{name: entries[place] for name, place in outside.items()}}
                return replace(fit, tensors=tensors, left_out=tuple(remaining), lacking=0)
    return fit


def _at(fits: list[WeightSet], place: str) -> list[WeightSet]:
    return [fit for fit in fits if fit.place == place]


def _matched(fit: WeightSet) -> tuple[int, int]:
    return -fit.lacking, -len(fit.prefix)


def _distinct(fits: list[WeightSet], plain: str) -> list[WeightSet]:
    """Keep one of several sets with equal values: the one in the plain place, or with the shortest name."""
    distinct: list[WeightSet] = []
    for fit in sorted(fits, key=lambda fit: (fit.place != plain, len(fit.prefix))):
        if not any(_same(fit.tensors, earlier.tensors) for earlier in distinct):
            distinct.append(fit)
    return distinct


def _same(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    if a.keys() != b.keys() or any(a[k].shape != b[k].shape or a[k].dtype != b[k].dtype for k in a):
        return False
    return all(_held(a[k]) and _held(b[k]) and torch.equal(a[k], b[k]) for k in a)


def _held(tensor: torch.Tensor) -> bool:
    """Whether all values of a tensor are stored; with strides of 0, a few bytes can pretend to be terabytes."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _named(fits: list[WeightSet]) -> list[WeightSet]:
    """Name sets by place, and by prefix if several sets share a place."""
    shared = Counter(fit.place for fit in fits)
    renamed = []
    for fit in fits:
        words = [fit.place] if shared[fit.place] == 1 else [fit.place, fit.prefix.rstrip(".")]
        renamed.append(replace(fit, name="/".join(word for word in words if word) or WHOLE))
    return renamed


def _aliases(sets: list[WeightSet]) -> dict[str, WeightSet]:
    """The aliases ``ema`` and ``raw``, if they are unambiguous."""
    aliases = {}
    for alias, averaged in (("ema", True), ("raw", False)):
        candidates = [fit for fit in sets if fit.averaged == averaged]
        # When Lightning swaps in averaged weights, it stores the others as "current_model_state".
        if any(fit.place == "current_model_state" for fit in sets):
            candidates = [fit for fit in sets if (fit.place == "state_dict") == averaged and "/" not in fit.place]
        if len(candidates) == 1:
            aliases[alias] = candidates[0]
    return aliases


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
    """The place where a reader that knows wrappers, but not averaged weights, would look."""
    place: list[str] = []
    for _ in range(2):
        key = next((k for k in _PLAIN if isinstance(loaded, Mapping) and isinstance(loaded.get(k), Mapping)), None)
        if key is not None:
            place.append(key)
            loaded = loaded[key]
    return "/".join(place)


def _choice(chosen: WeightSet, others: list[WeightSet] | tuple[()]) -> str:
    """A sentence about which of several sets is used, or that they are averaged weights."""
    if others:
        asks = {id(fit): alias for alias, fit in _aliases([chosen, *others]).items()}
        alternatives = [f"{shown([fit.name])} with &weights={quoted(asks.get(id(fit), fit.name))}" for fit in others]
        return (
            f"The file holds {len(others) + 1} sets of weights: {shown([chosen.name])} is used; "
            f"{', '.join(alternatives)}."
        )
    if chosen.averaged:
        return f"These are averaged weights ({chosen.place or chosen.prefix.rstrip('.') or 'n_averaged'})."
    return ""


def _nothing(loaded: Any, parts: Mapping[str, Mapping[str, Any]], where: str, what: str) -> str:
    if isinstance(loaded, Mapping):
        names = [f"{place}/{name}" if place else name for place, entries in parts.items() for name in entries]
        contents = f"the keys {shown(names or [str(k) for k in loaded]) or '(none)'}"
    else:
        contents = f"a {type(loaded).__name__}"
    return (
        f"{where} holds no state dict of {what} (names and tensors, with any prefix, alone or in a dictionary); "
        f"it holds {contents}. Name the architecture that it was trained with."
    )


def quoted(name: str) -> str:
    """A set's name for ``&weights=NAME``, with special characters escaped."""
    return quote(name, safe="/._-")


def shown(names: Collection[str]) -> str:
    """The first few names, and their total number if there are more."""
    first = ", ".join(name[:100] if name.isprintable() else repr(name[:100]) for name in list(names)[:_SHOWN])
    return f"{first}, ... ({len(names)} in all)" if len(names) > _SHOWN else first
