import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as TF

from vitobench.models.pretraining.methods import Augmentation
from vitobench.models.pretraining.views import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    blur,
    random_crops,
    random_view,
)

STEP = 1 / 255
PLAIN = Augmentation(min_area=1.0, aspect=1.0, flip=0.0, jitter=0.0, grey=0.0, blur=(0.0, 0.0), solarise=(0.0, 0.0))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def photos() -> torch.Tensor:
    """Smooth, noisy, grey, saturated and flat images, float in [0, 1]."""
    rng = generator()
    noise = torch.rand(4, 3, 48, 48, generator=rng)
    smooth = torch.nn.functional.interpolate(torch.rand(4, 3, 6, 6, generator=rng), 48, mode="bilinear")
    grey = torch.rand(2, 1, 48, 48, generator=rng).expand(-1, 3, -1, -1)
    pure = (torch.rand(2, 3, 48, 48, generator=rng) > 0.5).float()
    return torch.cat([noise, smooth, grey, pure, torch.full((1, 3, 48, 48), 0.5), torch.zeros(1, 3, 48, 48)])


@pytest.mark.parametrize(
    ("ours", "theirs", "low", "high"),
    [
        (adjust_brightness, TF.adjust_brightness, 0.6, 1.4),
        (adjust_contrast, TF.adjust_contrast, 0.6, 1.4),
        (adjust_saturation, TF.adjust_saturation, 0.0, 2.0),
        (adjust_hue, TF.adjust_hue, -0.5, 0.5),
    ],
)
def test_colour_steps_match_torchvision_image_by_image(ours, theirs, low, high, photos: torch.Tensor) -> None:
    for seed in range(3):
        factors = torch.empty(len(photos)).uniform_(low, high, generator=generator(seed))
        got = ours(photos, factors)
        for image, factor, result in zip(photos, factors.tolist(), got, strict=True):
            assert (result - theirs(image, factor)).abs().max() < STEP
    nothing = torch.full((len(photos),), 0.0 if ours is adjust_hue else 1.0)
    torch.testing.assert_close(ours(photos, nothing), photos, atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [32, 48, 64])
def test_blur_matches_torchvision(side: int, photos: torch.Tensor) -> None:
    images = photos[..., :side, :side] if side <= 48 else torch.rand(12, 3, side, side, generator=generator())
    sigma = torch.empty(len(images)).uniform_(0.05, 2.0, generator=generator(1))
    kernel = 2 * max(1, round(side / 20)) + 1
    assert kernel == pytest.approx(side / 10, abs=2)
    got = blur(images, sigma)
    for image, s, result in zip(images, sigma.tolist(), got, strict=True):
        torch.testing.assert_close(result, TF.gaussian_blur(image, [kernel, kernel], [s, s]), atol=1e-5, rtol=1e-5)


def test_greyscale_and_solarise_match_torchvision(photos: torch.Tensor) -> None:
    images = (photos * 255).round().byte()
    pixels = images.float() / 255
    grey = random_view(images, replace(PLAIN, grey=1.0), 0, generator())
    assert (grey - TF.rgb_to_grayscale(pixels, 3)).abs().max() < STEP
    assert torch.equal(grey[:, 0], grey[:, 1])
    # Away from the threshold, where the crop's last bit of rounding decides.
    sure = (pixels - 0.5).abs() > 1e-3
    solarised = random_view(images, replace(PLAIN, solarise=(1.0, 0.0)), 0, generator())
    assert (solarised - TF.solarize(pixels, 0.5))[sure].abs().max() < 1e-4


def test_a_whole_crop_is_the_image_itself_or_its_mirror(photos: torch.Tensor) -> None:
    torch.testing.assert_close(random_crops(photos, PLAIN, generator()), photos, atol=1e-5, rtol=0)
    mirrored = random_crops(photos, replace(PLAIN, flip=1.0), generator())
    torch.testing.assert_close(mirrored, photos.flip(3), atol=1e-5, rtol=0)


def test_crops_keep_to_their_ranges() -> None:
    n, side = 3000, 16
    ramp = (torch.arange(side) + 0.5) / side
    images = torch.stack([ramp.expand(side, side), ramp.view(-1, 1).expand(side, side), torch.zeros(side, side)])
    crops = random_crops(images.expand(n, -1, -1, -1), Augmentation(), generator())
    # Colours are coordinates: a linear ramp shows what part of the frame a crop covers.
    left, right = crops[:, 0, 8, 2], crops[:, 0, 8, 13]
    width = (right - left).abs() * side / 11
    height = (crops[:, 1, 13, 8] - crops[:, 1, 2, 8]) * side / 11
    area, aspect = width * height, width / height
    assert area.min() > 0.4 - 1e-3
    assert width.max() < 1 + 1e-3
    assert height.max() < 1 + 1e-3
    assert aspect.min() > 3 / 4 - 1e-2
    assert aspect.max() < 4 / 3 + 1e-2
    assert area.min() < 0.42
    assert area.max() > 0.95
    assert (right < left).float().mean() == pytest.approx(0.5, abs=0.04)
    centre = crops[:, :2, 7:9, 7:9].mean((2, 3))
    half = torch.stack([width, height], 1) / 2
    assert (centre - half > -1e-3).all()
    assert (centre + half < 1 + 1e-3).all()


def test_probabilities() -> None:
    images = torch.randint(0, 256, (1500, 3, 8, 8), dtype=torch.uint8, generator=generator())
    whole = random_view(images, PLAIN, 1, generator())
    for name, value in (("grey", 0.2), ("jitter", 0.8), ("blur", (0.8, 0.1)), ("solarise", (0.9, 0.2))):
        # On so small an image the standard blur is narrower than a pixel.
        changed = random_view(images, replace(PLAIN, sigma=(14.0, 20.0), **{name: value}), 1, generator())
        share = ((changed - whole).abs().flatten(1).amax(1) > 1e-3).float().mean().item()
        assert share == pytest.approx(value[1] if isinstance(value, tuple) else value, abs=0.04), name


@pytest.mark.parametrize(("settings", "number"), [(Augmentation(), 0), (Augmentation(), 1), (PLAIN, 0)])
def test_views_are_reproducible_float_images(settings: Augmentation, number: int) -> None:
    images = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=generator())
    kept = images.clone()
    views = random_view(images, settings, number, generator(3))
    assert torch.equal(images, kept)
    assert views.dtype == torch.float32
    assert views.shape == images.shape
    assert views.min() >= -1e-6
    assert views.max() <= 1 + 1e-6
    assert torch.equal(views, random_view(images, settings, number, generator(3)))
    if settings is not PLAIN:
        assert not torch.equal(views, random_view(images, settings, number, generator(4)))
        assert not torch.equal(*random_view(images[:1].expand(2, -1, -1, -1), settings, number, generator(5)))


def test_global_randomness_is_left_alone() -> None:
    images = torch.zeros(4, 3, 16, 16, dtype=torch.uint8)
    state = torch.get_rng_state()
    random_view(images, Augmentation(blur=(0.5, 0.5), solarise=(0.5, 0.5)), 0, generator())
    assert torch.equal(torch.get_rng_state(), state)


def test_crops_are_those_of_an_affine_grid(photos: torch.Tensor) -> None:
    settings, n = Augmentation(min_area=0.2), len(photos)
    got = random_crops(photos, settings, generator(5))
    rng = generator(5)  # the same draws: area, aspect, place, flip
    area = torch.empty(n).uniform_(0.2, 1.0, generator=rng)
    aspect = torch.empty(n).uniform_(-math.log(4 / 3), math.log(4 / 3), generator=rng).exp()
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    x, y = ((2 * torch.rand(n, generator=rng) - 1) * (1 - size) for size in (width, height))
    mirrored = torch.where(torch.rand(n, generator=rng) < 0.5, -width, width)
    nothing = torch.zeros(n)
    theta = torch.stack([torch.stack([mirrored, nothing, x], 1), torch.stack([nothing, height, y], 1)], 1)
    grid = F.affine_grid(theta, list(photos.shape), align_corners=False)
    expected = F.grid_sample(photos, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
