"""The identity of the micro-world's sets, what it is made of, and what another process is sent of them."""

import json
import pickle

import numpy as np

from vitobench.identity import digest
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld.sets import GENERATOR_VERSION, MicroSet

DIGESTS = {
    "train": "da508fc8f0f5b61dc750e13a678b4932eac368a67d6a3c430685b7f4b699094c",
    "val": "fbb9c1ca2766b3245fdbbfac5d4acfa0a2727108bfef1a9a205f5ee6dba540c8",
    "cue-conflict": "594da5e8025afb84a552a2d324ba08a600afda0da926f1d34d5bafb0ea1ffa89",
    "occlusion": "d136ee93ded43508d26661d024159f752695a24ace1bd95fddad85a2e453a449",
}
"""Of the second version of the generator, with seed 5."""

PIXELS = {
    "photographs": [
        [136.13, 127.65, 108.96],
        [101.86, 102.82, 106.79],
        [154.8, 186.45, 128.73],
        [131.91, 130.16, 132.96],
    ],
    "filmed": [[190.75, 181.6, 131.02], [113.05, 126.21, 124.53], [141.97, 173.38, 113.0], [124.43, 116.92, 129.14]],
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
