"""The kernels of LAION-C against Pillow's drawing, NumPy's rolling and definitions written out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vitobench.tasks.corruptions import SEVERITIES, corrupt
from vitobench.tasks.corruptions.laion_c import CORRUPTIONS_LAION, bank
from vitobench.tasks.corruptions.laion_c.drawing import render_geometric_shapes, vertical_lines
from vitobench.tasks.corruptions.laion_c.parameters import CONSTANTS, parameters
from vitobench.tasks.corruptions.laion_c.screen import luminance_checkerboard, render_glitched
from vitobench.tasks.corruptions.laion_c.tiles import mosaic, stickers

Scene = Callable[..., np.ndarray]


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_constants_are_those_of_the_authors() -> None:
    assert CONSTANTS["geometric_shapes"] == (150, 300, 600, 800, 1000)
    assert CONSTANTS["stickers"] == (100, 200, 400, 600, 1200)
    assert CONSTANTS["mosaic"] == (4, 6, 8, 16, 28)
    assert CONSTANTS["glitched"] == (2, 4, 5, 8, 10)
    assert CONSTANTS["luminance_checkerboard"] == ((0, 50), (50, 100), (100, 125), (125, 150), (150, 255))
    assert CONSTANTS["vertical_lines"] == ((224, 1), (178, 2), (112, 4), (84, 6), (60, 8))
    assert parameters("vertical_lines", 5, 224, 224) == {"lines": 60, "step": 8, "reach_px": 40}
    assert parameters("stickers", 3, 224, 224) == {"count": 400, "side_px": 16}
    assert parameters("luminance_checkerboard", 2, 224, 224) == {"low": 50, "high": 100, "field_px": 14}
    # Twice as wide: the same share of the image is covered by things of the same size.
    assert parameters("geometric_shapes", 1, 224, 448) == {"count": 300, "scale": 1}
    assert parameters("stickers", 1, 64, 64) == {"count": 100, "side_px": 5}


# Shapes.


def _shapes_by_pillow(image: np.ndarray, draws: dict[str, np.ndarray]) -> np.ndarray:
    """The same shapes, drawn by Pillow: boxes are inclusive, corners of polygons are cut to whole pixels."""
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    for form, y, x, size, colour, degrees in zip(*(draws[name].tolist() for name in draws), strict=True):
        fill = tuple(colour)
        if form == 0:
            draw.polygon([(x, y), (x + size, y), (x + size / 2, y + size)], fill=fill)
        elif form == 1:
            draw.rectangle([x, y, x + size, y + size], fill=fill)
        elif form == 3:
            draw.ellipse([x, y, x + size, y + size], fill=fill)
        else:
            corners = []
            for n in range(10):
                radius, angle = size / 1.2 / (1 + n % 2), math.radians(36 * n + degrees)
                corners.append((x + radius * math.sin(angle), y + radius * math.cos(angle)))
            draw.polygon(corners, fill=fill)
    return np.asarray(canvas)


def _some_shapes(count: int, form: int | None = None) -> dict[str, np.ndarray]:
    rng = _rng(3)
    return {
        "forms": rng.integers(0, 4, count) if form is None else np.full(count, form),
        "rows": rng.integers(0, 224, count),
        "columns": rng.integers(0, 224, count),
        "sizes": rng.integers(6, 16, count),
        "colours": rng.integers(0, 256, (count, 3), dtype=np.uint8),
        "degrees": rng.integers(0, 360, count),
    }


@pytest.mark.parametrize(("form", "most"), [(0, 0.06), (1, 0), (2, 0.2), (3, 0.02)])
def test_each_shape_is_drawn_as_pillow_draws_it(form: int, most: float) -> None:
    """But for pixels on its edge: Pillow cuts the corners of polygons to whole pixels. Squares have no such pixels."""
    black = np.zeros((224, 224, 3), np.uint8)
    draws = _some_shapes(60, form)
    draws["colours"] = np.full((60, 3), 255, np.uint8)
    ours, theirs = render_geometric_shapes(black, scale=1.0, **draws) > 0, _shapes_by_pillow(black, draws) > 0
    differ, drawn = (ours != theirs).any(axis=2).sum(), theirs.any(axis=2).sum()
    assert differ <= most * drawn
    assert abs(int(ours.sum()) - int(theirs.sum())) <= 0.05 * theirs.sum()  # neither thinner nor fatter


def test_many_shapes_hide_each_other_as_in_pillow(make_scene: Scene) -> None:
    image, draws = make_scene(224, 224), _some_shapes(600)
    ours, theirs = render_geometric_shapes(image, scale=1.0, **draws), _shapes_by_pillow(image, draws)
    assert (ours != theirs).any(axis=2).mean() < 0.08


# Lines.


def _lines_by_pillow(image: np.ndarray, lines: int, step: int, reach: float) -> np.ndarray:
    """Line after line and point after point, drawn by Pillow, with Pillow's grey."""
    height, width, _ = image.shape
    grey = np.asarray(Image.fromarray(image).convert("L")).astype(int)
    canvas = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(canvas)
    for line in range(lines):
        left = line / lines * width
        strip = slice(int(left), min(int(left + width / lines), width))
        point = (left, 0.0)
        for y in range(0, height, step):
            rows = slice(y, min(y + step, height))
            count = grey[rows, strip].size
            colour = tuple(int(total) // count for total in image[rows, strip].sum(axis=(0, 1)).tolist())
            dark = 1 - int(grey[rows, strip].sum()) // count / 255
            there = (left - reach * dark, float(y))
            draw.line((*point, *there), fill=colour)
            point = there
    return np.asarray(canvas)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_lines_are_pillows_to_the_last_pixel(make_scene: Scene, severity: int) -> None:
    image = make_scene(224, 224)
    lines, step = CONSTANTS["vertical_lines"][severity - 1]
    ours = vertical_lines(image, _rng(), lines=lines, step=step, reach_px=40.0)
    np.testing.assert_array_equal(ours, _lines_by_pillow(image, lines, step, 40.0))


def test_lines_of_white_stay_and_those_of_black_cannot_be_seen() -> None:
    white = np.full((32, 32, 3), 255, np.uint8)
    drawn = vertical_lines(white, _rng(), lines=8, step=1, reach_px=10)
    assert set(np.flatnonzero(drawn[5, :, 0])) == set(range(0, 32, 4))
    assert not vertical_lines(white * 0, _rng(), lines=32, step=1, reach_px=10).any()


# Glitches and light.


def test_glitches_are_bands_a_channel_and_black_rows(make_scene: Scene) -> None:
    image = make_scene(40, 30)
    ours = render_glitched(
        image, shifts=np.array([5, -7, 0]), tops=np.array([3, 10, 20]), heights=np.array([9, 4, 9]),
        channel=1, right=2, down=-3,
    )  # fmt: skip
    for y in range(40):
        for x in range(30):
            if y % 2 == 0:
                assert not ours[y, x].any()
                continue
            shift = -7 if 10 <= y < 14 else 5 if 3 <= y < 12 else 0
            red, blue = image[y, (x - shift) % 30, [0, 2]]
            green = image[0, (x - 2) % 30, 1] if y == 37 else image[(y + 3) % 40, x, 1]
            assert ours[y, x].tolist() == [red, green, blue]


def test_fields_are_lighter_and_darker_by_turns_within_the_bounds_of_the_level() -> None:
    grey = np.full((224, 224, 3), 128, np.uint8)
    changed = luminance_checkerboard(grey, _rng(), low=50.0, high=100.0, field_px=14.0).astype(int) - 128
    fields = changed.reshape(16, 14, 16, 14, 3)
    assert (fields == fields[:, :1, :, :1, :1]).all()
    signs = 1 - 2 * (np.add.outer(np.arange(16), np.arange(16)) % 2)
    strength = fields[:, 0, :, 0, 0] * signs
    assert strength.min() >= 49
    assert strength.max() <= 100
    assert strength.std() == pytest.approx(50 / math.sqrt(12), rel=0.1)
    assert abs(strength.mean() - 75) < 3
    white = luminance_checkerboard(grey * 0 + 250, _rng(), low=150.0, high=255.0, field_px=14.0)
    assert white.max() == 255


# Pictures in place of photographs.


def test_pictures_have_the_colours_and_the_smoothness_of_photographs() -> None:
    pictures = bank.pictures() / 255
    assert pictures.shape == (1024, 32, 32, 3)
    means = pictures.mean(axis=(1, 2))
    np.testing.assert_allclose(means.mean(axis=0), [0.49, 0.48, 0.43], atol=0.03)
    np.testing.assert_allclose(means.std(axis=0), [0.15, 0.15, 0.15], atol=0.04)
    grey = pictures.mean(axis=3)
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    correlation = (grey[:, :, 1:] * grey[:, :, :-1]).mean() / (grey**2).mean()
    assert correlation == pytest.approx(0.82, abs=0.02)


def test_resized_pictures_are_means_of_areas() -> None:
    """Enlarged so that every new pixel is 32 x 32 old ones, their means are exact, and so is how halves are rounded."""
    for height, width in ((8, 8), (12, 5), (28, 28), (33, 40)):
        large = bank.pictures()[:4].repeat(height, axis=1).repeat(width, axis=2)
        means = large.reshape(4, height, 32, width, 32, 3).mean(axis=(2, 4))
        np.testing.assert_array_equal(bank.resized(height, width)[:4], np.rint(means))
    np.testing.assert_array_equal(bank.resized(32, 32), bank.pictures())


@pytest.mark.parametrize(("side", "tile"), [(224, 28.0), (64, 8.0)])
def test_every_field_is_the_picture_of_the_nearest_mean_colour(make_scene: Scene, side: int, tile: float) -> None:
    image = make_scene(side, side)
    made, size = mosaic(image, _rng(), tile_px=tile), int(tile)
    means, tiles = bank.mean_colours(), bank.resized(size, size)
    for y in range(0, side, size):
        for x in range(0, side, size):
            mean = image[y : y + size, x : x + size].reshape(-1, 3).mean(axis=0)
            nearest = int(((means - mean) ** 2).sum(axis=1).argmin())
            np.testing.assert_array_equal(made[y : y + size, x : x + size], tiles[nearest])


def test_stickers_cover_the_share_that_chance_gives(make_scene: Scene) -> None:
    image = np.full((224, 224, 3), 255, np.uint8)
    made = stickers(image, _rng(), count=200, side_px=16)
    # Of 208 x 208 places one sticker covers 256 pixels; borders are covered less often.
    middle = (made[16:192, 16:192] != 255).any(axis=2).mean()
    assert middle == pytest.approx(1 - (1 - 256 / 208**2) ** 200, abs=0.06)
    assert (made[-1] == 255).all()
    assert (made[:, -1] == 255).all()
    one = stickers(make_scene(64, 64), _rng(1), count=1, side_px=5)
    changed = np.argwhere((one != make_scene(64, 64)).any(axis=2))
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert max(bottom - top, right - left) <= 4


# All of them.


@pytest.mark.parametrize("corruption", CORRUPTIONS_LAION)
@pytest.mark.parametrize("shape", [(16, 16), (16, 200), (200, 17), (33, 57), (130, 300)])
def test_odd_shapes_survive(make_scene: Scene, corruption: str, shape: tuple[int, int]) -> None:
    image = make_scene(*shape)[None]
    for severity in SEVERITIES:
        made = corrupt(image, corruption, severity, image_ids=["x"])
        assert made.shape == image.shape
        assert (made != image).any()


@pytest.mark.parametrize("corruption", CORRUPTIONS_LAION)
def test_effect_grows_with_severity_and_is_that_of_the_published_size(make_scene: Scene, corruption: str) -> None:
    effects = {}
    for side in (64, 224):
        images = np.stack([make_scene(side, side, seed) for seed in range(4)])
        made = [corrupt(images, corruption, severity, image_ids=list("abcd")) for severity in SEVERITIES]
        effects[side] = np.array([np.abs(one.astype(float) - images).mean() for one in made])
        assert effects[side][0] < effects[side][2] < effects[side][4]
    np.testing.assert_allclose(effects[64], effects[224], rtol=0.35)


@pytest.mark.parametrize("corruption", ["geometric_shapes", "glitched", "luminance_checkerboard", "stickers"])
def test_image_and_seed_change_what_is_drawn(make_scene: Scene, corruption: str) -> None:
    same = np.repeat(make_scene(48, 56)[None], 3, axis=0)
    one = corrupt(same, corruption, 4, image_ids=list("abc"))
    other = corrupt(same, corruption, 4, image_ids=list("abc"), seed=1)
    assert len({image.tobytes() for image in [*one, *other]}) == 6
