"""One key in the YAML at the head of a Markdown file, replaced without touching a byte of the rest.

Libraries that write a card again lose its comments and its layout. Here YAML is parsed for where the key stands, the
text between is exchanged, and what comes out is read back and compared with what was meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK  # the same as on the Hub's server

from ...errors import DataError

_BOM = "\ufeff"


def read_front(text: str, where: str) -> dict[str, Any]:
    """The front matter of a Markdown file; empty where there is none.

    Raises:
        DataError: It is not YAML, or not a mapping.
    """
    return _load(_split(text)[1] or "", where)


def with_key(text: str, key: str, value: Any, where: str) -> str:
    """The same file with another value of a key in its front matter, which is made where there is none.

    Args:
        text: Of the file.
        key: On the first level; it is added where it is not there.
        value: Plain data.
        where: Of the file, for messages.

    Raises:
        DataError: The front matter is not YAML, or so tied up (anchors, tags) that the key cannot be replaced alone.
    """
    before, front, after = _split(text)
    line = "\r\n" if "\r\n" in text else "\n"
    block = line.join(dump({key: value}).splitlines())
    if front is None:
        return f"{before}---{line}{block}{line}---{line}{after}"
    old = _load(front, where)
    start, end = _span(front, key, where)
    if start is None:
        joint = "" if not front or front.endswith(("\n", "\r")) else line
        # Behind the last key; before the first where the last is a text whose end would become another.
        tries = [f"{front}{joint}{block}", f"{block}{line}{front}"]
    else:
        tries = [front[:start] + block + front[end:]]
    meant = {**old, key: value}
    for new in tries:
        with suppress(yaml.YAMLError):
            if yaml.safe_load(new) == meant:
                return before + new + after
    raise DataError(
        f"{where}: {key} in the front matter cannot be replaced without changing other lines. Write it in block "
        "style at the end of the front matter, without anchors, or name another file with --to."
    )


def dump(value: dict[str, Any]) -> str:
    """Plain data as YAML in block form, keys in their order."""
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
    return text


def _split(text: str) -> tuple[str, str | None, str]:
    """The text before the front matter, the front matter, and the text after it."""
    start = len(_BOM) if text.startswith(_BOM) else 0
    match = REGEX_YAML_BLOCK.search(text[start:])
    if match is None:
        return text[:start], None, text[start:]
    begin, end = (start + place for place in match.span(2))
    return text[:begin], text[begin:end], text[end:]


def _load(front: str, where: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(front)
    except yaml.YAMLError as error:
        raise DataError(f"{where}: its front matter is not YAML ({' '.join(str(error).split())}).") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise DataError(f"{where}: the front matter is not a mapping of keys to values.")
    return found


def _span(front: str, key: str, where: str) -> tuple[int | None, int]:
    """Where the key begins and where the last line of its value ends; (None, 0) where it is not there."""
    root = yaml.compose(front, Loader=yaml.SafeLoader)
    pairs = [pair for pair in root.value if pair[0].value == key] if isinstance(root, yaml.MappingNode) else []
    if not pairs:
        return None, 0
    if len(pairs) > 1:
        raise DataError(f"{where}: {key} occurs twice in the front matter; remove one.")
    name, value = pairs[0]
    # The end of a block is that of its last leaf: the parser counts the comments behind it as a part of it.
    end = max(name.end_mark.index, *(leaf.end_mark.index for leaf in _leaves(value)))
    while front[end - 1] in "\r\n":
        end -= 1
    ends = [place for place in (front.find("\n", end), front.find("\r", end)) if place >= 0]
    return name.start_mark.index, min(ends, default=len(front))


def _leaves(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        yield node
        return
    for child in node.value:
        for part in child if isinstance(child, tuple) else (child,):
            yield from _leaves(part)
