"""Reading recipes: the ones that come with the package, and TOML files."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from ...errors import VitobenchError, unknown_name
from ...text_files import NotTextError, read_text
from .augmentation import Augmentation
from .recipe import Recipe

_PACKAGE = "vitobench.models.pretraining.recipes"
_TYPES: dict[type, dict[str, Any]] = {cls: get_type_hints(cls) for cls in (Recipe, Augmentation)}


def list_recipes() -> list[str]:
    """Names of the recipes that ship with the package: ``micro/vito``, ..."""
    files = (entry.name for entry in resources.files(_PACKAGE).iterdir() if entry.name.endswith(".toml"))
    return sorted(name.removesuffix(".toml").replace("_", "/", 1) for name in files)


def load_recipe(name: str, settings: tuple[str, ...] = (), **changes: Any) -> Recipe:
    """Load a recipe by name or from a TOML file.

    Args:
        name: A name from `list_recipes`, or the path of a ``.toml`` file.
        settings: ``key=value`` each, as it would stand in the file, to replace what the file says;
            ``augmentation.key=value`` for the views. A value that is no TOML is taken as text.
        **changes: Settings to replace; None leaves a setting as it is.

    Raises:
        UnknownNameError: No such recipe or setting.
        VitobenchError: A file that is not a recipe; the message names the wrong or missing key.
    """
    where = f"recipe {name}"
    table = _parse(_text(name), where)
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not key:
            raise VitobenchError(f"--set {setting!r} is not understood; write KEY=VALUE, for instance steps=100.")
        group, dot, inner = key.rpartition(".")
        target = table.setdefault(group, {}) if dot else table
        if not isinstance(target, dict) or group not in ("", "augmentation"):
            raise unknown_name("group of settings", group, ("augmentation",))
        target[inner] = _value(value)
    views = table.get("augmentation", {})
    if not isinstance(views, dict):
        raise VitobenchError(f"{where}: augmentation = {views!r} must be a table.")
    table["augmentation"] = Augmentation(**_checked(views, Augmentation, f"{where}, augmentation"))
    try:
        recipe = Recipe(**_checked(table, Recipe, where))
    except TypeError as error:
        raise VitobenchError(f"{where} is incomplete: {error}") from None
    return replace(recipe, **{k: v for k, v in changes.items() if v is not None})


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
        raise unknown_name("recipe", name, known, "A path that ends in .toml is read as a recipe of your own.")
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


def _checked(table: dict[str, Any], cls: type, where: str) -> dict[str, Any]:
    """The table with values of the types that the class declares.

    Raises:
        UnknownNameError: A key that the class does not have.
        VitobenchError: A value of another type.
    """
    found = {}
    for key, value in table.items():
        if key not in _TYPES[cls]:
            raise unknown_name(f"setting in {where}", key, _TYPES[cls])
        expected = _TYPES[cls][key]
        if get_origin(expected) is tuple:
            length = len(get_args(expected))
            fits = isinstance(value, list) and len(value) == length and all(_number(part) for part in value)
            found[key] = tuple(value) if fits else value
            wanted = f"list of {length} numbers"
        else:
            # TOML writes 1 for a whole float, and Python takes true for an integer.
            fits = _number(value) if expected is float else isinstance(value, expected)
            fits = fits and not (isinstance(value, bool) and expected is not bool)
            found[key] = value
            wanted = getattr(expected, "__name__", str(expected))
        if not fits:
            raise VitobenchError(f"{where}: {key} = {value!r} must be of type {wanted}.")
    return found


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
