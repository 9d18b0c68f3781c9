"""The identity of the micro-world's sets, what it is made of, and what another process is sent of them."""

import json
import pickle

import numpy as np

from vitobench.identity import digest
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld.action_clips import MicroActions, MicroArrow
from vitobench.tasks.microworld.sets import GENERATOR_VERSION, MicroSet

DIGESTS = {
    "train": "4c76fdfd948ad8d6af9c47abbcbc01e5432b596a8a094733cf1bd725267de5cc",
    "val": "ab4bc3e69138b68c33eef6737b09770d3e912e5bbb61eec3b05e08ab4c164ed2",
    "cue-conflict": "b3e745ec56ac1f0fffa40033f26db4a0c160fe1a48b507b75a3ab6581ac2e1cd",
    "occlusion": "db4d9ac04d7f58bc004a98799413ef727be7d04f7b095f437a7c646a816bc2ab",
}
"""Of the second version of the generator, with seed 5."""

PIXELS = {
    "photographs": [
        [142.2, 133.45, 111.88],
        [102.94, 103.67, 107.94],
        [156.84, 187.83, 129.88],
        [132.43, 130.85, 134.56],
    ],
    "filmed": [[191.37, 182.24, 131.67], [112.02, 125.29, 123.57], [143.45, 174.79, 114.51], [125.43, 117.95, 130.77]],
}
"""Mean red, green and blue of the first four scenes of the set "train" with seed 5, at 32 pixels."""


def test_the_frozen_world_is_still_the_one_that_was_frozen() -> None:
    """Another world needs another generator version: stored answers and models would be taken for those of this one."""
    assert GENERATOR_VERSION == 2
    assert {name: MicroSet(name, 3, 5).digest for name in DIGESTS} == DIGESTS
    source = MicroSet("train", 4, 5)
    frames = {"photographs": source.frames(range(4), 32), "filmed": source.frames(range(4), 32, [0.0, 1.0, 1.5, 2.5])}
    for name, means in PIXELS.items():
        # Another machine may round a few pixels otherwise, and libjpeg a few blocks.
        np.testing.assert_allclose(frames[name].images.mean((1, 2)), means, atol=0.3)


def test_the_manifest_is_plain_and_is_what_the_digest_is_made_of() -> None:
    source = MicroSet("occlusion", 7, 3)
    manifest = source.manifest()
    assert json.loads(json.dumps(manifest)) == manifest
    assert (manifest["set"], manifest["seed"], manifest["generator_version"]) == ("occlusion", 3, GENERATOR_VERSION)
    assert manifest["settings"] != MicroSet("val", 7, 3).manifest()["settings"]
    parts = [manifest[key] for key in ("generator_version", "set", "seed", "settings")]
    assert digest(parts) == source.digest


def test_the_manifest_of_clips_names_what_moves_in_them_and_nothing_else() -> None:
    actions, arrow = MicroActions(6, 3).manifest(), MicroArrow(6, 3).manifest()
    assert json.loads(json.dumps(arrow)) == arrow
    assert set(actions) - set(arrow) == {"speed", "step_seconds"}
    assert set(arrow) - set(actions) == {"slowing"}


def test_a_pickle_is_small_however_long_the_set() -> None:
    source = MicroSet("val", 1_000_000, 5)
    assert source.image_ids[-1] == "val-5-999999"
    assert len(source.labels) == 1_000_000
    content = pickle.dumps(source)
    assert len(content) < 200
    copy = pickle.loads(content)
    assert (copy.name, copy.digest, copy.image_ids) == (source.name, source.digest, source.image_ids)
    np.testing.assert_array_equal(copy.labels, source.labels)
    geometry = Geometry(16, 16, "bilinear")
    np.testing.assert_array_equal(copy.load([3, 999_999], geometry)[0], source.load([3, 999_999], geometry)[0])
