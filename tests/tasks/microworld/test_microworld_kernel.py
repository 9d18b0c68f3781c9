import shutil
from pathlib import Path

import numpy as np
import pytest

from vitobench.tasks.microworld import kernel
from vitobench.tasks.microworld.solids import cells3, fractal3, hash3, noise3, weights, wrap
from vitobench.tasks.microworld.worlds import PALETTES

FOLDER = Path(kernel.__file__).parent
COMPILED = sorted(p.name for p in FOLDER.glob("*.py") if "njit" in p.read_text(encoding="utf-8"))


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for path in FOLDER.glob("*.py"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_stamp_is_a_function_of_the_sources(sources: Path) -> None:
    assert len(COMPILED) >= 2
    assert kernel.sources_stamp(sources) == kernel.sources_stamp(FOLDER)


@pytest.mark.parametrize("name", [*COMPILED, "vocabulary.py"])
def test_an_edit_of_any_compiled_module_empties_the_cache(sources: Path, name: str) -> None:
    before = kernel.sources_stamp(sources)
    (sources / name).write_text((sources / name).read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    assert kernel.sources_stamp(sources) != before


def plain_hash(i: int, j: int, k: int) -> float:
    """The lattice hash in Python's unbounded integers."""
    word = 2**64 - 1
    h = (i * 0x9E3779B97F4A7C15 & word) ^ (j * 0xC2B2AE3D27D4EB4F & word) ^ (k * 0x165667B19E3779F9 & word)
    h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93 & word
    h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93 & word
    return (h >> 40) / 2**24


def test_hash_matches_unbounded_integers_and_spreads() -> None:
    points = np.random.default_rng(0).integers(-1000, 1000, (2000, 3)).tolist()
    values = [hash3(*p) for p in points]
    assert values == [plain_hash(*p) for p in points]
    assert np.abs(np.histogram(values, 10, (0, 1))[0] - 200).max() < 60


def test_noise_equals_the_hash_on_the_lattice_and_is_continuous() -> None:
    rng = np.random.default_rng(0)
    for p in rng.integers(-50, 50, (50, 3)).tolist():
        assert noise3(*map(float, p)) == pytest.approx(plain_hash(*p), abs=1e-12)
    for p in rng.uniform(-20, 20, (300, 3)):
        assert 0 <= noise3(*p) <= 1
        assert 0 <= fractal3(*p) <= 1
        assert abs(noise3(*p) - noise3(*(p + 1e-5))) < 1e-3


def test_cells_order_their_distances() -> None:
    for p in np.random.default_rng(0).uniform(-20, 20, (300, 3)):
        first, second, name = cells3(*p)
        assert 0 <= first <= second < 3
        assert 0 <= name < 1


def test_wrap_is_the_remainder() -> None:
    for value in np.random.default_rng(0).uniform(-30, 30, 200):
        assert wrap(value, 3.0) == pytest.approx(value % 3.0, abs=1e-12)


@pytest.mark.parametrize("texture", range(16))
def test_texture_weights_vary_within_their_range(texture: int) -> None:
    points = np.random.default_rng(texture).uniform(-9, 9, (400, 3))
    found = np.array([weights(texture, *p) for p in points])
    assert np.isfinite(found).all()
    # The kernel clamps what a smooth formula overshoots; no more than a hair may need it.
    assert found.min() > -0.01
    assert found.max() < 1.01
    assert found[:, 0].std() > 0.1


def test_palettes_are_colours_and_differ() -> None:
    assert PALETTES.shape == (16, 3, 3)
    assert ((PALETTES >= 0) & (PALETTES <= 1)).all()
    assert len(np.unique(PALETTES.reshape(16, 9), axis=0)) == 16
