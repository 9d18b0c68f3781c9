"""Cards and headers with values that mean nothing: each is refused with its key, its value and the valid ones."""

from __future__ import annotations

import json
import math
import random
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file

from vitobench.errors import CheckpointError
from vitobench.models import registry
from vitobench.models.networks import ARCHITECTURES, build
from vitobench.models.pretraining.produce import micro_data
from vitobench.models.pretraining.recipe import load_recipe
from vitobench.models.safetensors_header import embedded_card, read_header
from vitobench.models.sources import plugins as plugin_source
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.models.state_dicts import read_state_dict
from vitobench.models.zoo_card import _GENERATOR, LABEL_SPACES, LARGEST_SIDE, ZooCard
from vitobench.plugins import MODELS, Plugin, PluginError
from vitobench.tasks.microworld.sets import GENERATOR_VERSION

WHERE = "mine.safetensors"
CARD: dict[str, Any] = {
    "name": "mine",
    "architecture": ARCHITECTURES[0],
    "preprocessing": {"size": 64, "resize": 72, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3},
    "label_space": "microworld-16",
    "num_classes": 16,
    "sha256": "",
    "training_data": "none",
    "licence": "none",
    "baseline": None,
    "description": "a card",
    "recipe": {"steps": 3},
}
KEYS = [(key,) for key in CARD] + [("preprocessing", key) for key in CARD["preprocessing"]]
VALUES = [
    None, True, False, 0, 1, -1, 64.0, 64.5, 10**9, 10**400, -(10**30), math.nan, math.inf, -math.inf, 1e-300, "", "64",
    "nan", "a\x1b[31mb", "a\0b", "\ud800", "\u202e", [], [1], [0.5] * 4, [0.5, 0.5, None], [True] * 3, [math.nan] * 3,
    [0, 0, 0], [1, 1, 1], [255] * 3, [-1] * 3, ["0.5"] * 3, [[0.5]] * 3, {}, {"a": {"b": []}}, "bilinear", "lanczos",
    "imagenet-1k", "none", "x" * 100_000,
]  # fmt: skip


def changed(path: tuple[str, ...], value: Any) -> str:
    card = json.loads(json.dumps(CARD))
    inner = card
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(card)


def numbers(value: Any) -> bool:
    return all(isinstance(v, float) and math.isfinite(v) for v in value)


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_every_value_is_taken_as_it_is_meant_or_refused_by_name(path: tuple[str, ...]) -> None:
    for value in VALUES:
        try:
            card = ZooCard.parse(changed(path, value), WHERE)
        except CheckpointError as error:
            message = str(error)
            assert WHERE in message
            assert path[-1].replace("num_classes", "classes").replace("label_space", "label space") in message.replace(
                "label_space", "label space"
            )
            assert "must be" in message or "valid" in message.lower()
            assert len(message) < 500
            assert message.isprintable()
            continue
        pre = card.preprocessing
        assert type(pre.size) is type(pre.resize) is type(card.num_classes) is int
        assert 1 <= pre.size <= pre.resize <= LARGEST_SIDE
        assert pre.interpolation in ("bilinear", "bicubic")
        assert numbers(pre.mean)
        assert numbers(pre.std)
        assert all(0 <= m <= 1 and 0 < s <= 1 for m, s in zip(pre.mean, pre.std, strict=True))
        assert card.num_classes == (LABEL_SPACES | {"none": 0})[card.label_space]
        texts = (card.name, card.architecture, card.sha256, card.training_data, card.licence, card.description)
        assert all(text.isprintable() for text in texts)
        json.dumps(card.extra, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("preprocessing", "size"), 0, "preprocessing.size = 0 must be a whole number from 1 to 8192"),
        (("preprocessing", "size"), 64.5, "preprocessing.size = 64.5 must be a whole number"),
        (("preprocessing", "size"), True, "preprocessing.size = True must be a whole number"),
        (("preprocessing", "size"), 10**9, "preprocessing.size = 1000000000 must be"),
        (("preprocessing", "resize"), 63, "preprocessing.resize = 63 must be a whole number from 64, .*, to 8192"),
        (("preprocessing", "interpolation"), "lanczos", "interpolation = 'lanczos' must be 'bilinear' or 'bicubic'"),
        (
            ("preprocessing", "mean"),
            [0.5, math.nan, 0.5],
            r"mean = \[0.5, nan, 0.5\] must be three numbers.* from 0 to 1",
        ),
        (("preprocessing", "mean"), [123.675, 116.28, 103.53], "divide those of a 0..255 scale by 255"),
        (("preprocessing", "std"), [0.2, 0.2, 0], r"std = \[0.2, 0.2, 0\] must be .*from 0.0001 to 1"),
        (("preprocessing", "std"), [0.2, 0.2], "three numbers"),
        (("preprocessing", "std"), [10**400] * 3, "three numbers"),
        (
            ("preprocessing", "crop_pct"),
            0.9,
            "crop_pct = 0.9 is not a known key.* Valid names: crop_mode, interpolation, mean",
        ),
        (("preprocessing",), [64, 72], r"preprocessing = \[64, 72\] must be an object with size"),
        (("num_classes",), 1000, "1000 classes in the label space 'microworld-16'; valid are"),
        (("name",), "", "name = '' must be text, not empty"),
        (("baseline",), {"name": "vito"}, "baseline = .* must be text or null"),
        (("description",), "\x1b]0;title\x07", "description = .* must be text without control characters"),
        (("recipe",), "\ud800", "recipe.*UTF-8"),
    ],
)
def test_a_refusal_says_what_would_be_valid(path: tuple[str, ...], value: Any, words: str) -> None:
    with pytest.raises(CheckpointError, match=rf"card of {WHERE}.*{words}"):
        ZooCard.parse(changed(path, value), WHERE)


def test_a_card_may_say_all_of_the_preprocessing() -> None:
    names = [entry.name for entry in fields(Preprocessing)]
    with pytest.raises(CheckpointError, match=f"must be an object with {', '.join(names)}"):
        ZooCard.parse(changed(("preprocessing",), 3), WHERE)


def test_what_was_read_rightly_still_is() -> None:
    card = ZooCard.parse(changed(("preprocessing", "size"), 64.0), WHERE)
    assert (
        card.spec("a", "file", "0" * 64).identity
        == ZooCard.parse(json.dumps(CARD), WHERE).spec("a", "file", "0" * 64).identity
    )
    assert ZooCard.parse(changed(("description",), "two\nlines"), WHERE).description == "two lines"
    # The loss of a training that diverged.
    assert ZooCard.parse(changed(("curve",), [[0, math.nan]]), WHERE).name == "mine"


def test_cards_that_no_reader_should_be_trusted_with() -> None:
    for text, words in (
        ("[" * 100_000, "nested too deeply"),
        (changed(("recipe",), 0).replace('"recipe": 0', '"recipe": ' + '{"a":' * 100_000), "nested too deeply"),
        (json.dumps(CARD)[:-1] + ', "num_classes": 1000}', "the key 'num_classes' appears twice"),
        ("", "not JSON"), ("3", "a JSON int"), ("null", "a JSON NoneType"), ('"card"', "a JSON str"),
        ("1" * 5000, "not JSON"), ("{}", "is incomplete: name is missing; it must be text"),
    ):  # fmt: skip
        with pytest.raises(CheckpointError, match=rf"card of {WHERE}.*({words})"):
            ZooCard.parse(text, WHERE)


def header(text: bytes, length: int | None = None, data: bytes = b"") -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


HEADERS = [
    header(b"{}", 2**63), header(b"{}", 99_999_999), header(b"{" + b'"a":{' * 50_000), header(b"[]"), header(b"{]"),
    header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,"4"]}}'), header(b'{"a":{"data_offsets":[0,1e99]}}'),
    header(b'{"a":{"data_offsets":[0]}}'), header(b'{"a":{"data_offsets":[4,0]}}'), header(b'{"a":3}'),
    header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,-4]}}'), header(b'{"a":{"data_offsets":null}}'),
    header(b'{"a":{"dtype":"X","shape":[1],"data_offsets":[0,4]}}', data=bytes(4)),
    header(b'{"a":{"dtype":"F32","shape":[99999999999],"data_offsets":[0,4]}}', data=bytes(4)),
    header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
           data=bytes(4)),
    header(b'{"__metadata__":{"vitobench":{"name":"mine"}}}'), header(b'{"__metadata__":{"vitobench":3}}'),
    header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616]}}'), header(b'{"\xff":{}}'),
]  # fmt: skip


@pytest.mark.parametrize("content", HEADERS, ids=range(len(HEADERS)))
def test_a_header_that_lies_is_refused_with_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / WHERE
    path.write_bytes(content)
    for options in ("", "?arch=timm:test_resnet"):
        with pytest.raises(CheckpointError, match=WHERE):
            registry.resolve(f"file:{path}{options}")


def test_damage_anywhere_in_a_header_is_found_or_harmless(tmp_path: Path) -> None:
    rng = random.Random(0)
    whole = save({"a": torch.zeros(2, 3), "b": torch.ones(4)}, metadata={"vitobench": json.dumps(CARD)})
    start = 8 + int.from_bytes(whole[:8], "little")
    path = tmp_path / WHERE
    refusals = []
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(start)] = rng.randrange(256)
        path.write_bytes(content)
        for read in (read_header, embedded_card, read_state_dict, lambda p: registry.resolve(f"file:{p}")):
            try:
                read(path)
            except CheckpointError as error:
                refusals.append(str(error))
    assert len(refusals) > 300
    assert all(WHERE in text for text in refusals)


def test_a_card_cannot_ask_for_more_memory_than_its_file_has_weights(tmp_path: Path) -> None:
    network = build(ARCHITECTURES[0], 16)
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    for architecture, words in (
        ("micro-resnet8/average+knn(bank=1000000000000,k=20,temperature=0.07)", "does not fit|no state dict"),
        ("micro-resnet8/average+knn(bank=10,k=20,temperature=nan)", "temperature finite and above 0"),
        ("torchvision:fcn_resnet50+linear", "cannot build"),
        ("timm:../x+linear", "cannot build"),
        ("micro-resnet8/average+attentive(heads=0)", "heads must be 1 or more"),
        ("micro-resnet8/", "cannot build"),
    ):
        path = tmp_path / WHERE
        save_file(state, path, metadata={"vitobench": json.dumps(CARD | {"architecture": architecture})})
        with pytest.raises(CheckpointError, match=rf"{WHERE}.*({words})"):
            registry.load(f"file:{path}")
    save_file({f"_orig_mod.{k}": v for k, v in state.items()}, path, metadata={"vitobench": json.dumps(CARD)})
    loaded: Any = registry.load(f"file:{path}")
    assert torch.equal(loaded._network.state_dict()["head.weight"], state["head.weight"])


@pytest.mark.parametrize("std", [(0.2, 0.2, 0.0), (0.2, math.nan, 0.2), (0.2, math.inf, 0.2), (0.2, 0.2)])
def test_a_plugin_cannot_divide_by_nothing_either(std: Any) -> None:
    spec = ModelSpec("p", "plugin", "p 1", Preprocessing(std=std), "microworld-16", "0" * 64)
    given = SimpleNamespace(describe=lambda: spec, build=lambda spec: None)
    plugin = Plugin("p", MODELS, "p", "package-p", "1", given=given)
    with pytest.raises(PluginError, match=r"package-p 1 cannot be used: its preprocessing .* deviations above 0"):
        plugin_source._describe(plugin)


@pytest.mark.parametrize(
    "words",
    [
        "8192 clips of the micro-world (set train, seed 0, generator 1), 4 frames each at 64 pixels",
        "2000 images of the micro-world (set train, seed 3, generator 1)",
    ],
)
def test_a_model_of_another_micro_world_is_named_with_the_way_out(words: str) -> None:
    with pytest.raises(CheckpointError, match=r"another micro-world \(generator version 1.*Train it again, or"):
        ZooCard.parse(json.dumps(CARD | {"training_data": words}), WHERE)
    ours = words.replace("generator 1", f"generator {GENERATOR_VERSION}")
    assert ZooCard.parse(json.dumps(CARD | {"training_data": ours}), WHERE).training_data == ours


def test_what_this_version_writes_about_its_data_is_recognised() -> None:
    for name in ("vito", "moclr", "vito-ideal", "vito-uncurated"):
        words = micro_data(load_recipe(f"micro/{name}"))
        assert _GENERATOR.search(words)[1] == str(GENERATOR_VERSION)
