"""The identity of the micro-world's sets, what it is made of, and what another process is sent of them."""

import json
import pickle

import numpy as np
import pytest

from vitobench.identity import digest
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld.sets import GENERATOR_VERSION, MicroSet

DIGESTS = {
    "train": "5486b1719b07541cf5831f24a7bfafc2f40673d2916786c130aeeedcdc764b10",
    "val": "44701b67d016bf375b798db8b25d5b8c88f239124cc6badd9a46b4a812a56162",
    "cue-conflict": "44d2c49a5b6d3daf3c2992833571ec0537cd29dc4dbe1736c6434943f6fc4bed",
    "occlusion": "fb44e6dce833f26b07ae8ae1554a9ef8162a02d4f1884b194168a2625917a5b8",
}
"""Of the first version of the generator, with seed 5."""


@pytest.mark.skipif(GENERATOR_VERSION != 1, reason="the digests are those of the first version of the generator")
@pytest.mark.parametrize("name", DIGESTS)
def test_digests_are_those_of_the_first_release(name: str) -> None:
    assert MicroSet(name, 3, 5).digest == DIGESTS[name]


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
