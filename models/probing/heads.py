"""Classifiers on top of an encoder, and networks made of both: ``ENCODER+HEAD``."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...classifiers import NEIGHBOURS, TEMPERATURE, neighbour_votes
from ...errors import VitobenchError, unknown_name
from ..dense_maps import NamedMap, maps_of
from ..networks import PooledNetwork, build
from ..pooled_layers import OWN_FEATURES, LayerPool
from ..registry import encoder as encoder_of_library

# Classifiers on top of an encoder, and their names as part of an architecture's name.


KINDS = ("linear", "knn", "attentive")
_NO_VOTES = 1e-12
_SPEC = re.compile(r"([a-z]+)(?:\(([^()]*)\))?")


@dataclass(frozen=True)
class HeadSpec:
    """The structure of a head, without its weights.

    Attributes:
        kind: One of `KINDS`.
        bank: knn: number of stored features.
        k: knn: number of neighbours that vote.
        temperature: knn: a neighbour's vote has the weight exp(cosine similarity / temperature).
        heads: attentive: number of attention heads.
        layers: linear and knn: how many of the encoder's last layers are read; 0 for its own features.
        pool: One of `vitobench.models.pooled_layers.POOLS`, if layers are read.

    Raises:
        UnknownNameError: The kind is unknown.
        VitobenchError: A number is out of range.
    """

    kind: str
    bank: int = 0
    k: int = NEIGHBOURS
    temperature: float = TEMPERATURE
    heads: int = 1
    layers: int = 0
    pool: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("head", self.kind, KINDS)
        # `not 0 < x < inf` also rejects NaN.
        if self.k < 1 or not 0 < self.temperature < math.inf or self.heads < 1 or self.bank < 0:
            raise VitobenchError(f"{self.text}: k and heads must be 1 or more, and the temperature finite and above 0.")
        if self.read and self.kind == "attentive":
            raise VitobenchError("An attentive head reads the tokens of the last layer; leave out --layers and --pool.")

    @property
    def read(self) -> LayerPool:
        """What it reads of the encoder; false for the encoder's own features."""
        return LayerPool(self.layers, self.pool)

    @property
    def text(self) -> str:
        """As in ``"linear(layers=4,pool=cls+mean)"``, ``"knn(bank=4096,k=20,temperature=0.07)"``, ``"linear"``."""
        settings = {
            "knn": f"bank={self.bank},k={self.k},temperature={self.temperature}",
            "attentive": f"heads={self.heads}",
        }
        inside = ",".join(text for text in (settings.get(self.kind, ""), self.read.text) if text)
        return f"{self.kind}({inside})" if inside else self.kind

    @classmethod
    def parse(cls, text: str) -> HeadSpec:
        """Parse `text`.

        Raises:
            VitobenchError: It is invalid.
        """
        match = _SPEC.fullmatch(text)
        types = {"bank": int, "k": int, "temperature": float, "heads": int, "layers": int, "pool": str}
        try:
            if match is None:
                raise ValueError("not of the form KIND or KIND(NAME=NUMBER,...)")
            pairs = [part.split("=") for part in (match[2] or "").split(",") if part]
            return cls(match[1], **{name: types[name](value) for name, value in pairs})
        except (KeyError, ValueError) as error:
            raise VitobenchError(f"Invalid head {text!r} ({error}).") from None


class Head(nn.Module, ABC):
    """A classifier in two steps, so that a network can return the input of the last one as its features."""

    reads_tokens = False
    """Whether it reads the encoder's spatial tokens (N, T, C) instead of its pooled features (N, D)."""

    def pool(self, read: Tensor) -> Tensor:
        """The input of `classify`, (N, D')."""
        return read

    @abstractmethod
    def classify(self, pooled: Tensor) -> Tensor:
        """Logits (N, classes)."""

    def forward(self, read: Tensor) -> Tensor:
        """Logits (N, classes) for features or tokens."""
        return self.classify(self.pool(read))


class LinearHead(Head):
    """One linear layer on features of width ``width``."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def classify(self, pooled: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return cast(Tensor, self.linear(pooled))


class NeighbourHead(Head):
    """Nearest neighbours in a bank of training features.

    The k nearest features of the bank, by cosine similarity s, vote for their classes with weight exp(s / temperature).
    The logit of a class is the logarithm of its share of the votes, so that a softmax returns the shares (Wu et al.
    2018; temperature 0.07 and k = 20 as in DINO, Caron et al. 2021).

    Args:
        width: Width D of the features.
        classes: Number of classes.
        spec: ``bank``, ``k`` and ``temperature`` are used; at most ``bank`` neighbours vote.
    """

    bank: Tensor
    labels: Tensor

    def __init__(self, width: int, classes: int, spec: HeadSpec) -> None:
        super().__init__()
        if spec.bank < 1:
            raise VitobenchError(f"{spec.text} has no features to compare with.")
        self.classes, self.k, self.temperature = classes, min(spec.k, spec.bank), spec.temperature
        self.register_buffer("bank", torch.zeros(spec.bank, width, dtype=torch.float16))
        self.register_buffer("labels", torch.zeros(spec.bank, dtype=torch.int32))

    def fill(self, features: Tensor, labels: Tensor) -> None:
        """Store features (bank, D), normalised and in half precision, and their classes (bank,)."""
        self.bank = F.normalize(features.float(), dim=1).to(self.bank.dtype)
        self.labels = labels.to(torch.int32)

    def classify(self, pooled: Tensor) -> Tensor:
        """Logits (N, classes), float32: logarithms of shares of the votes; about -28 without a vote."""
        votes = neighbour_votes(self.bank, self.labels, pooled, self.classes, self.k, self.temperature)
        return (votes / votes.sum(1, keepdim=True) + _NO_VOTES).log()


class AttentiveHead(Head):
    """One learned query attends to all spatial tokens, and a linear layer classifies the result.

    This is the cross-attention of V-JEPA's attentive probe (Bardes et al. 2024), without the MLP after it. It has no
    positional encoding, so the order of the tokens does not matter.

    Args:
        width: Channels C of the tokens.
        classes: Number of classes.
        heads: Number of attention heads; must divide C.
    """

    reads_tokens = True

    def __init__(self, width: int, classes: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise VitobenchError(f"{heads} attention heads do not divide tokens of {width} channels.")
        self.before = nn.LayerNorm(width)
        self.query = nn.Parameter(torch.zeros(1, 1, width))
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.after = nn.LayerNorm(width)
        self.linear = nn.Linear(width, classes)
        nn.init.trunc_normal_(self.query, std=0.02)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def pool(self, read: Tensor) -> Tensor:
        """Gather tokens (N, T, C) into (N, C)."""
        tokens = self.before(read.to(self.query.dtype))
        gathered, _ = self.attention(self.query.expand(len(tokens), -1, -1), tokens, tokens, need_weights=False)
        return cast(Tensor, self.after(gathered[:, 0]))

    def classify(self, pooled: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return cast(Tensor, self.linear(pooled))


def build_head(spec: HeadSpec, width: int, classes: int) -> Head:
    """An unfitted head for an encoder whose features, or tokens, have ``width`` channels."""
    if spec.kind == "knn":
        return NeighbourHead(width, classes, spec)
    return AttentiveHead(width, classes, spec.heads) if spec.kind == "attentive" else LinearHead(width, classes)


# Encoders without classifier, and networks of an encoder and a head: ``ENCODER+HEAD``.


_PLUS = "+"
_NO_TOKENS = "This encoder has no spatial tokens; choose --head linear or knn."


class HeadedNetwork(nn.Module):
    """An encoder and a head, with the two methods that `Model` needs.

    Attributes:
        encoder: Has ``features`` (N, D) and, for heads that read them, ``tokens`` (N, T, C).
        head: See `Head`.
        read: Which layers the head reads; false for the encoder's own features.
    """

    head: Head

    def __init__(self, encoder: nn.Module, head: Head, read: LayerPool = OWN_FEATURES) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.read = read

    def features(self, x: Tensor) -> Tensor:
        """The input of the head's last step, (N, D), for normalised images."""
        encoder: Any = self.encoder
        if self.head.reads_tokens:
            return self.head.pool(self.tokens(x))
        return self.head.pool(self.read.read(encoder, x) if self.read else encoder.features(x))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) for normalised images."""
        return self.head.classify(self.features(x))

    def tokens(self, x: Tensor) -> Tensor:
        """The encoder's tokens (N, T, C).

        Raises:
            VitobenchError: It has none.
        """
        encoder: Any = self.encoder
        if not hasattr(encoder, "tokens"):
            raise VitobenchError(_NO_TOKENS)
        tokens: Tensor = encoder.tokens(x)
        return tokens

    def named_maps(self, x: Tensor) -> list[NamedMap]:
        """The encoder's maps.

        Raises:
            VitobenchError: It has none.
        """
        return maps_of(self.encoder, x, "This encoder")


def encoder_part(architecture: str) -> str:
    """The encoder of ``ENCODER+HEAD``, or the architecture itself."""
    return architecture.partition(_PLUS)[0]


def headed(architecture: str, head: HeadSpec) -> str:
    """The architecture of an encoder with another head."""
    return f"{encoder_part(architecture)}{_PLUS}{head.text}"


def build_encoder(architecture: str) -> nn.Module:
    """Build an untrained encoder.

    Args:
        architecture: An architecture of a library, such as ``timm:NAME``, or of `vitobench.models.networks`; a head in
            it is ignored.

    Returns:
        A module with ``features`` and, except for torchvision, ``tokens``. Its state has no classifier, except for
        torchvision, where the classifier is needed to get features.

    Raises:
        UnknownNameError: There is no such architecture.
    """
    architecture = encoder_part(architecture)
    if (encoder := encoder_of_library(architecture)) is not None:
        return encoder
    network: Any = build(architecture, 1)
    network.head = nn.Identity()
    return network


def build_network(architecture: str, num_classes: int) -> nn.Module:
    """Build the untrained network that a card names.

    Args:
        architecture: An architecture of `vitobench.models.networks`, or ``ENCODER+HEAD``.
        num_classes: Number of outputs.

    Raises:
        UnknownNameError: There is no such encoder or head.
        VitobenchError: The head is invalid or does not fit.
    """
    encoder_name, plus, text = architecture.partition(_PLUS)
    if not plus:
        return build(architecture, num_classes)
    spec = HeadSpec.parse(text)
    encoder = build_encoder(encoder_name)
    width = width_of(encoder, spec.kind == "attentive", spec.read)
    return HeadedNetwork(encoder, build_head(spec, width, num_classes), spec.read)


@torch.no_grad()
def width_of(encoder: nn.Module, tokens: bool, read: LayerPool = OWN_FEATURES) -> int:
    """Channels of an encoder's features or tokens.

    Args:
        encoder: See `build_encoder`.
        tokens: Of its tokens.
        read: Of these layers in place of its features.

    Raises:
        VitobenchError: The encoder has no tokens.
    """
    if isinstance(encoder, PooledNetwork) and not tokens and not read:
        return encoder.pool.width
    if tokens and not hasattr(encoder, "tokens"):
        raise VitobenchError(_NO_TOKENS)
    training, asked = encoder.training, encoder.eval()
    network: Any = asked
    images = torch.zeros(1, 3, *_size_of(network))
    own = network.tokens if tokens else network.features
    output: Tensor = read.read(network, images) if read else own(images)
    encoder.train(training)
    return output.shape[-1]


@torch.no_grad()
def has_class_token(encoder: Any) -> bool:
    """Whether the layers of an encoder have a class token."""
    if not hasattr(encoder, "layers"):
        return False
    return encoder.layers(torch.zeros(1, 3, *_size_of(encoder)), 1)[-1].class_token is not None


def _size_of(network: Any) -> tuple[int, int]:
    """An input size that the encoder accepts: its own or timm's default for the architecture, if there is one."""
    if hasattr(network, "input_size"):
        return int(network.input_size[1]), int(network.input_size[2])
    size = (getattr(getattr(network, "network", None), "pretrained_cfg", None) or {}).get("input_size", (3, 224, 224))
    return size[1], size[2]


def encoder_of(network: nn.Module, architecture: str) -> nn.Module:
    """A copy of a loaded network's encoder, in evaluation mode.

    Args:
        network: The network of a loaded model.
        architecture: Name of its architecture.

    Raises:
        VitobenchError: The layers of the network are not those of the named architecture.
    """
    source = network.encoder if isinstance(network, HeadedNetwork) else network
    encoder = build_encoder(architecture)
    state = source.state_dict()
    expected = encoder.state_dict()
    lacking = [name for name in expected if name not in state or state[name].shape != expected[name].shape]
    if lacking:
        raise VitobenchError(
            f"The encoder of {architecture} cannot be separated from its classifier: {lacking[0]} differs."
        )
    encoder.load_state_dict({name: state[name] for name in expected})
    return encoder.eval()
