"""Recipes: everything that decides a pretraining run, and how they are read from TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from ...decoding import Count, CountOrZero, NotNegative, Positive, Share, check, decode
from ...errors import VitobenchError, unknown_name
from ...text_files import NotTextError, read_text
from .methods import Augmentation, MethodSettings, all_methods, get_method, keys_of, owners_of

# Recipes: everything that decides a pretraining run.


PHOTOGRAPHS: Final = "micro-photographs"
IDEAL: Final = "micro-ideal"
UNCURATED: Final = "micro-uncurated"
"""Sources of the micro-world besides filmed clips: one photograph of each scene; clips of an ideal camera; filmed clips
whose classes follow Zipf's law."""


@dataclass(frozen=True)
class Recipe:
    """A pretraining run. Units: seconds, pixels, steps, clips.

    Attributes:
        name: Name of the resulting model.
        description: One line for listings and the model card.
        method: The pretraining method, with the settings of its own.
        architecture: A backbone of `vitobench.models.networks`: ``"micro-resnet8"``, ``"resnet50"``, ``"timm/NAME"``.
        pooling: ``"attention"`` or ``"average"``, at every scale.
        scales: 1 pools the last feature map, 2 the last two. Attention adds no width, so that average pooling at the
            same scales is its control.
        window: T: the two frames of a clip are drawn from so many seconds of it; 0 makes both views of one frame.
        baseline: Registry name of the model that this one is compared with by default.
        data: ``"micro"``, frames of clips of the micro-world as their cameras film them; ``"micro-ideal"``, the same
            frames from a camera without faults; ``"micro-uncurated"``, filmed clips whose classes follow Zipf's law;
            ``"micro-photographs"``, one photograph of each scene; or ``"clips"``, which are read from a folder.
        clips: Training clips (or photographs) of the micro-world; of other data, 0 < clips limits their number and 0
            takes all.
        frames_per_clip: Frames rendered for each clip of the micro-world; 1 for photographs.
        size: Side of a view.
        augmentation: See `Augmentation`.
        batch: Clips per optimiser step, over all devices and accumulated parts.
        accumulate: Parts of a batch that are computed one after the other; negatives come from the same part.
        steps: Optimiser steps.
        optimiser: ``"adamw"`` or ``"lars"``.
        optimiser_momentum: Momentum of LARS.
        trust: Trust coefficient (eta) of LARS.
        schedule: ``"cosine"`` to 0 or ``"constant"``, after the warm-up.
        warmup: Steps of linear warm-up.
        learning_rate: Peak learning rate.
        weight_decay: Not applied to biases and norms.
        clip_norm: Largest norm of all gradients together; 0 leaves them.
        precision: ``"float32"``, ``"bfloat16"`` (autocast; weights, losses and statistics stay float32) or ``"auto"``,
            which takes bfloat16 where the machine is faster with it, and notes what it took.
        channels_last: Memory layout of images and convolutions.
        sync_batchnorm: Batch normalisation over the batch of all devices; else over each device's part.
        monitor_every: Steps between two nearest-neighbour checks of the features; 0 never.
        seed: Seed of world, initialisation, order and views.
    """

    name: str
    description: str
    method: MethodSettings
    architecture: str
    pooling: Literal["attention", "average"] = "average"
    scales: Literal[1, 2] = 1
    window: NotNegative = 0.0
    baseline: str | None = None
    data: Literal["micro", "micro-ideal", "micro-uncurated", "micro-photographs", "clips"] = "micro"
    clips: CountOrZero = 8192
    frames_per_clip: Count = 4
    size: Annotated[int, Meta(ge=8)] = 64  # of fewer pixels the micro-world cannot be rendered
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch: Count = 128
    accumulate: Count = 1
    steps: Count = 1000
    optimiser: Literal["adamw", "lars"] = "adamw"
    optimiser_momentum: Share = 0.9
    trust: Positive = 1e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: CountOrZero = 50
    learning_rate: NotNegative = 1e-3
    weight_decay: NotNegative = 0.05
    clip_norm: NotNegative = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    channels_last: bool = True
    sync_batchnorm: bool = True
    monitor_every: CountOrZero = 200
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0  # which every generator takes

    def __post_init__(self) -> None:
        check(self)
        if self.data != "clips" and self.clips < 1:
            self._refuse("clips", "must be 1 or more")
        if self.batch % self.accumulate:
            self._refuse("accumulate", f"must divide the batch of {self.batch}")
        if self.data == PHOTOGRAPHS and self.window > 0:
            self._refuse("window", f"needs clips, and data = {PHOTOGRAPHS!r} has one moment of each scene; choose 0")
        if self.data == PHOTOGRAPHS and self.frames_per_clip != 1:
            self._refuse("frames_per_clip", f"must be 1 with data = {PHOTOGRAPHS!r}")
        if self.data != "clips" and self.window > 0 and self.frames_per_clip < 2:
            self._refuse("window", "needs frames_per_clip of 2 or more")

    def _refuse(self, key: str, rule: str) -> None:
        raise VitobenchError(f"recipe {self.name!r}: {key} = {getattr(self, key)} {rule}")

    @property
    def network(self) -> str:
        """What `vitobench.models.networks.build` is asked for: backbone and pooling."""
        return f"{self.architecture}/{self.pooling}{'-2scale' if self.scales == 2 else ''}"

    @property
    def objective(self) -> str:
        """What recipes call the method; a key of `methods.all_methods`. VITO and MoCLR are ``"contrastive"``."""
        return self.method.objective

    @property
    def labelled(self) -> bool:
        """Whether the method needs labels."""
        return self.method.labelled


def recipe_facts(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain data, for cards and logs, in the form of a recipe's file."""
    facts = asdict(recipe)
    own = facts.pop("method")
    start = {key: facts.pop(key) for key in ("name", "description")}
    return start | {"objective": recipe.objective} | facts | ({recipe.objective: own} if own else {})


def current_form(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of a card, brought to the form that `recipe_facts` has now.

    Args:
        facts: From the card of a finished run. Earlier versions wrote the settings of all methods at the top level.

    Returns:
        The same settings; those of other methods, which the run did not use, are left out.
    """
    objective = str(facts.get("objective"))
    if objective not in all_methods() or objective in facts:
        return dict(facts)
    own = {key: value for key, value in facts.items() if objective in owners_of(key)}
    shared = {key: value for key, value in facts.items() if not owners_of(key)}
    return shared | ({objective: own} if own else {})


# Reading recipes: the ones that come with the package, and TOML files.


_PACKAGE = "vitobench.models.pretraining.recipes"
_VIEWS = "augmentation"
_SHARED = [entry.name for entry in fields(Recipe) if entry.name != "method"]
"""Settings that every recipe has, whatever its method."""


def list_recipes() -> list[str]:
    """Names of the recipes that ship with the package: ``micro/vito``, ..."""
    files = (entry.name for entry in resources.files(_PACKAGE).iterdir() if entry.name.endswith(".toml"))
    return sorted(name.removesuffix(".toml").replace("_", "/", 1) for name in files)


def load_recipe(name: str, settings: tuple[str, ...] = (), **changes: Any) -> Recipe:
    """Load a recipe by name or from a TOML file.

    Args:
        name: A name from `list_recipes`, or the path of a ``.toml`` file.
        settings: ``key=value`` each, as it would be in the file, to replace what the file says;
            ``augmentation.key=value`` for the views, ``dino.key=value`` for the method, whose name may be left out. A
            value that is no TOML is taken as text. With another objective the settings that both methods have stay.
        **changes: Settings to replace; None leaves a setting as it is.

    Raises:
        UnknownNameError: No such recipe or setting.
        VitobenchError: A file that is not a recipe; the message names the wrong or missing key.
    """
    where = f"recipe {name}"
    table = _parse(_text(name), where)
    _replace(table, settings, where)
    objective = _objective(table, where)
    own = _table(table, objective)
    views = _table(table, _VIEWS)
    table.pop("objective")
    for key, value in table.items():
        if isinstance(value, dict) and key not in all_methods():
            raise unknown_name(f"table in {where}", key, (_VIEWS, *all_methods()))
        _check_place(key, objective, where)
    table |= {"method": decode(get_method(objective), own, where, objective), _VIEWS: views}
    return decode(Recipe, table | {key: value for key, value in changes.items() if value is not None}, where)


def _replace(table: dict[str, Any], settings: tuple[str, ...], where: str) -> None:
    """Put the values of ``--set`` into a recipe's table; the objective first, because other keys depend on it."""
    pairs = []
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not key:
            raise VitobenchError(f"Invalid --set {setting!r}; write KEY=VALUE, for example steps=100.")
        pairs.append((key, _value(value)))
    for _, chosen in (pair for pair in pairs if pair[0] == "objective"):
        before = str(table.get("objective"))
        table["objective"] = chosen
        after = _objective(table, where)
        if before in all_methods() and after != before:
            shared = {key: value for key, value in _table(table, before).items() if key in keys_of(after)}
            table[after] = shared | _table(table, after)
    objective = _objective(table, where)
    for key, value in (pair for pair in pairs if pair[0] != "objective"):
        group, dot, inner = key.rpartition(".")
        if not dot and key in keys_of(objective):
            group, dot = objective, "."
        if not dot:
            if key != objective:
                _check_place(key, objective, where)
            table[key] = value
        elif group in (_VIEWS, objective):
            table[group] = _table(table, group) | {inner: value}
        elif group in all_methods():
            raise VitobenchError(
                f"--set {key}: {where} has the objective {objective!r}, for which {group} has no effect; "
                f"add --set objective={group}, or leave it out."
            )
        else:
            raise unknown_name("group of settings", group, (_VIEWS, objective))


def _objective(table: dict[str, Any], where: str) -> str:
    objective = table.get("objective")
    if objective is None:
        raise VitobenchError(f"{where} is incomplete: objective is missing; valid are {', '.join(all_methods())}.")
    if not isinstance(objective, str):
        raise VitobenchError(f"{where}: objective = {objective!r} must be text; valid are {', '.join(all_methods())}.")
    return get_method(objective).objective


def _table(table: dict[str, Any], name: str) -> dict[str, Any]:
    """A table of a recipe, taken out of it; empty where there is none."""
    settings = table.pop(name, {})
    if not isinstance(settings, dict):
        raise VitobenchError(f"{name} = {settings!r} must be a table: write its settings below a line [{name}].")
    return settings


def _check_place(key: str, objective: str, where: str) -> None:
    """Refuse keys that are not settings of every recipe.

    Raises:
        UnknownNameError: A key that no recipe has.
        VitobenchError: A setting of a method in the wrong place, or of another method.
    """
    if key in (*_SHARED, _VIEWS):
        return
    if key in all_methods():
        raise VitobenchError(
            f"{where}: the table [{key}] has no effect with the objective {objective!r}; remove it, or write "
            f"objective = {key!r}."
        )
    owners = owners_of(key)
    if objective in owners:
        raise VitobenchError(f"{where}: {key} is a setting of {objective}; write it below a line [{objective}].")
    if owners:
        raise VitobenchError(
            f"{where}: {key} is a setting of {' and '.join(owners)}, and the objective here is {objective!r}; "
            "remove it."
        )
    raise unknown_name(f"setting in {where}", key, (*_SHARED, *keys_of(objective)))


def _text(name: str) -> str:
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise VitobenchError(f"There is no recipe file at {path}.")
        try:
            return read_text(path)
        except OSError as error:
            raise VitobenchError(f"{path} cannot be read: {error.strerror or error}.") from None
        except NotTextError as error:
            raise VitobenchError(f"{path} cannot be read: {error}.") from None
    known = list_recipes()
    if name not in known:
        raise unknown_name("recipe", name, known, "To use a recipe of your own, give a path that ends in .toml.")
    return (resources.files(_PACKAGE) / f"{name.replace('/', '_', 1)}.toml").read_text(encoding="utf-8")


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise VitobenchError(f"{where} is not valid TOML: {error}") from None


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a word without quotes, which the shell has taken off
