"""Zero-shot classifiers: an image tower, and one embedding per class of what its text tower says of the class's name.

Radford et al., Learning transferable visual models from natural language supervision, ICML 2021: each name is put into
every template, the embeddings are averaged after normalisation, and an image belongs to the class with the largest
cosine similarity.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..caches import user_cache
from ..errors import CheckpointError
from ..files import home_path, replace_file
from ..identity import digest
from ..tasks.images.classes import cifar_names, entry_level_classes, objectnet_classes
from ..tasks.microworld.vocabulary import CLASSES
from ..text_files import NotTextError, read_text

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_SPACE = "imagenet-1k"
DEFAULT_TEMPLATES = "80"
TEMPLATES = (DEFAULT_TEMPLATES, "7", "1")
"""OpenAI's templates for ImageNet, the seven that did nearly as well (both as open_clip has them), and
``"a photo of a {}."`` alone."""

_SINGLE = "a photo of a {}."
_BLANK = "{}"
_CLASSES_AT_ONCE = 100
_PROMPTS_AT_ONCE = 400
_STAGE = "Embedding class names"
_SHOWN = 5


def _openai_names() -> tuple[str, ...]:
    from open_clip import IMAGENET_CLASSNAMES

    return tuple(IMAGENET_CLASSNAMES)


CLASS_NAMES: dict[str, Callable[[], tuple[str, ...]]] = {
    DEFAULT_SPACE: _openai_names,
    "microworld-16": lambda: CLASSES,
    "cifar-10": lambda: cifar_names(10),
    "cifar-100": lambda: cifar_names(100),
    "entry-level-16": lambda: tuple(merged.name for merged in entry_level_classes()),
    "objectnet": lambda: tuple(merged.name for merged in objectnet_classes()),
}
"""The names of the classes of each label space that a zero-shot model can predict, in the order of the labels.

ImageNet's are OpenAI's, as open_clip has them. Two of those occur twice (missile, sunglasses), so one class of each
pair is never predicted, as in every published number.
"""


@dataclass(frozen=True)
class Wording:
    """What a text tower is asked.

    Attributes:
        label_space: A key of `CLASS_NAMES`.
        names: One per class, in the order of the labels.
        templates: Sentences with one ``{}`` each.
        described: One line about where both come from.
    """

    label_space: str
    names: tuple[str, ...]
    templates: tuple[str, ...]
    described: str

    def prompts(self, name: str) -> list[str]:
        """Every template with a name in it."""
        return [template.replace(_BLANK, name) for template in self.templates]

    def sample(self) -> list[str]:
        """Prompts with every name and every template at least once."""
        longest = max(self.templates, key=len)
        return [longest.replace(_BLANK, name) for name in self.names] + self.prompts(self.names[0])


def wording(space: str | None, names: str | None, templates: str | None, where: str) -> Wording:
    """The classes and sentences that a user asks for.

    Args:
        space: A key of `CLASS_NAMES`; None for ImageNet-1k.
        names: A file with one name per line, in the order of the labels; None for the names of `CLASS_NAMES`.
        templates: One of `TEMPLATES`, or a file with one sentence per line; None for the 80.
        where: The model's name, for error messages.

    Raises:
        CheckpointError: The label space is unknown, a file cannot be read, or holds doubles, another number of names,
            or a sentence without a place for the name.
    """
    label_space = space or DEFAULT_SPACE
    if label_space not in CLASS_NAMES:
        raise CheckpointError(f"{where}: classes={label_space} is unknown. Valid: {', '.join(CLASS_NAMES)}.")
    own = CLASS_NAMES[label_space]()
    described = f"names of {label_space}"
    if names is not None:
        own, described = _own_names(home_path(names), label_space, len(own)), f"names of {Path(names).name}"
    chosen = templates or DEFAULT_TEMPLATES
    sentences = _published(chosen) if chosen in TEMPLATES else _own_templates(home_path(chosen))
    return Wording(label_space, own, sentences, f"{described}, {len(sentences)} templates")


def _published(chosen: str) -> tuple[str, ...]:
    import open_clip

    if chosen == "1":
        return (_SINGLE,)
    functions = open_clip.OPENAI_IMAGENET_TEMPLATES if chosen == "80" else open_clip.SIMPLE_IMAGENET_TEMPLATES
    return tuple(template(_BLANK) for template in functions)


def _lines(path: Path, what: str) -> tuple[str, ...]:
    try:
        text = read_text(path)
    except (OSError, NotTextError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"The {what} of {str(path)!r} cannot be read: {reason}.") from None
    return tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _own_names(path: Path, label_space: str, count: int) -> tuple[str, ...]:
    names = _lines(path, "class names")
    if len(names) != count:
        fitting = [space for space, known in CLASS_NAMES.items() if len(known()) == len(names)]
        other = f" For other classes write {' or '.join(f'classes={space}' for space in fitting)}." if fitting else ""
        raise CheckpointError(
            f"{path} has {len(names)} names, and {label_space} has {count} classes. Write one name per line, in the "
            f"order of the labels.{other}"
        )
    twice = [name for name, times in Counter(name.casefold() for name in names).items() if times > 1]
    if twice:
        raise CheckpointError(
            f"{path} has the same name for several classes: {', '.join(map(repr, twice[:_SHOWN]))}. Only one of them "
            "could ever be predicted; add a word that tells them apart, such as 'crane bird' and 'construction crane'."
        )
    return names


def _own_templates(path: Path) -> tuple[str, ...]:
    if not path.exists():
        raise CheckpointError(
            f"There are no templates {str(path)!r}. Valid: {', '.join(TEMPLATES)}, or a file with one sentence per "
            f"line and {_BLANK} in place of the name: {_SINGLE}"
        )
    sentences = _lines(path, "templates")
    wrong = [line for line in sentences if _BLANK not in line or line.count("{") != 1 or line.count("}") != 1]
    if wrong or not sentences:
        example = f" {wrong[0]!r} does not." if wrong else ""
        raise CheckpointError(f"{path}: every line must have {_BLANK} once, in place of the class's name.{example}")
    return tuple(dict.fromkeys(sentences))


# The text side: tokens, and one embedding per class.


def tokens_digest(tokenizer: Any, asked: Wording, where: str) -> str:
    """A digest of a tokenizer by what it makes of every name and every template.

    Raises:
        CheckpointError: A prompt is longer than the text tower reads, so that its end would be cut off.
    """
    texts = asked.sample()
    tokens = tokenizer(texts)
    length = int(tokens.shape[1])
    if not getattr(tokenizer, "tokenizer_mode", ""):  # that mode puts a token at the end, however long the text is
        wide = tokenizer([*texts, ""], context_length=2 * length)
        padding = wide[-1, -1]
        cut = (wide[:-1, length:] != padding).any(dim=1).nonzero().flatten().tolist()
        if cut:
            raise CheckpointError(
                f"{where} reads {length} tokens, and {len(cut)} prompts are longer, such as {texts[cut[0]]!r}. Shorten "
                "the class names or templates."
            )
    return digest([type(tokenizer).__name__, tokens.tolist()])


def class_embeddings(
    model: Any, tokenizer: Any, asked: Wording, key: str, progress: Callable[[str, int, int], object] = lambda *_: None
) -> Tensor:
    """One embedding per class, computed once and stored. An interrupted computation continues after its last hundred.

    Args:
        model: An open_clip model.
        tokenizer: Its tokenizer.
        asked: Names and templates.
        key: Identifies weights, wording and tokenizer.
        progress: Called with what is being done, and classes done and in all.

    Returns:
        float32 (K, D), of length 1.
    """
    import torch
    from safetensors.torch import save

    path = cache_folder() / f"{key}.safetensors"
    unfinished = cache_folder() / f"{key}.part.safetensors"
    total = len(asked.names)
    stored = _read(path)
    if stored is not None and len(stored) == total:
        return stored
    stored = _read(unfinished)
    done = [] if stored is None or len(stored) % _CLASSES_AT_ONCE else list(stored.split(_CLASSES_AT_ONCE))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    progress(_STAGE, sum(map(len, done)), total)
    for classes in _averaged(model.to(device).eval(), tokenizer, asked, sum(map(len, done))):
        done.append(classes.cpu())
        if sum(map(len, done)) < total:
            with suppress(OSError):  # a cache that cannot be written only costs time
                replace_file(unfinished, save({"weight": torch.cat(done)}))
        progress(_STAGE, sum(map(len, done)), total)
    model.to("cpu")
    embeddings = torch.cat(done)
    with suppress(OSError):
        replace_file(path, save({"weight": embeddings}))
        unfinished.unlink(missing_ok=True)
    return embeddings


def _read(path: Path) -> Tensor | None:
    """Embeddings in a file; None where it is absent or damaged."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        embeddings: Tensor = load(path.read_bytes())["weight"]
    except (OSError, KeyError, SafetensorError):
        return None
    return embeddings if embeddings.dtype == torch.float32 and embeddings.ndim == 2 else None


def _averaged(model: Any, tokenizer: Any, asked: Wording, start: int = 0) -> Iterator[Tensor]:
    """Embeddings of the prompts of each class, averaged after normalisation and normalised again.

    Yields:
        (100, D) for each hundred classes from ``start`` on; the last ones may be fewer.
    """
    import torch
    import torch.nn.functional as F

    padding = tokenizer([""])[0, -1]
    first = tokenizer(asked.prompts(asked.names[0])[:1])
    device = next(model.parameters()).device
    short = _ignores_padding(model, first.to(device), int(_lengths(first, padding)[0]))
    for place in range(start, len(asked.names), _CLASSES_AT_ONCE):
        names = asked.names[place : place + _CLASSES_AT_ONCE]
        with torch.inference_mode():
            tokens = tokenizer([prompt for name in names for prompt in asked.prompts(name)])
            lengths = _lengths(tokens, padding)
            order = lengths.argsort()
            parts = []
            for rows in order.split(_PROMPTS_AT_ONCE):
                cut = int(lengths[rows].max()) if short else tokens.shape[1]
                parts.append(_encoded(model, tokens[rows].to(device), cut))
            embedded = torch.cat(parts)[order.argsort()].float()
            means = embedded.view(len(names), len(asked.templates), -1).mean(1)
            classes = F.normalize(means, dim=-1)
        yield classes.clone()


def _lengths(tokens: Tensor, padding: Tensor) -> Tensor:
    """How many tokens of each row come before those that fill it up."""
    import torch

    places = torch.arange(1, tokens.shape[1] + 1)
    return (places * (tokens != padding)).amax(1).clamp(min=1)


def _ignores_padding(model: Any, tokens: Tensor, length: int) -> bool:
    """Whether a text tower gives the same without the tokens that fill a prompt up: most of the work is on those.

    It is tried, because that depends on the tower's mask and pooling.
    """
    import torch

    if length == tokens.shape[1]:
        return False
    with torch.inference_mode():
        try:
            return torch.allclose(_encoded(model, tokens, length), _encoded(model, tokens, tokens.shape[1]), atol=1e-5)
        except (RuntimeError, IndexError, ValueError):  # a tower that reads its full length only
            return False


def _encoded(model: Any, tokens: Tensor, length: int) -> Tensor:
    """Embeddings (N, D) of length 1 of prompts that are cut to so many tokens."""
    positions, mask = getattr(model, "positional_embedding", None), getattr(model, "attn_mask", None)
    if length == tokens.shape[1] or positions is None:
        embedded: Tensor = model.encode_text(tokens[:, :length], normalize=True)
        return embedded
    # open_clip's CLIP adds all of its positions to a text, whatever its length; its other towers look at that.
    whole = positions.data
    try:
        positions.data = whole[:length]
        if mask is not None:
            model.attn_mask = mask[:length, :length]
        embedded = model.encode_text(tokens[:, :length], normalize=True)
    finally:
        positions.data, model.attn_mask = whole, mask
    return embedded


def cache_folder() -> Path:
    """The folder where embeddings of classes are stored; it may not exist yet."""
    return Path(os.environ.get("VITOBENCH_CACHE") or user_cache() / "vitobench") / "zero-shot"
