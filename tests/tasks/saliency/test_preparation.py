"""Preparation of maps against torch's interpolation and convolution with the reference's kernel."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from vitobench.tasks.saliency.preparation import Preparation, bilinear, resize


def reference_kernel(size: int = 10, sigma: int = 10) -> torch.Tensor:
    """The reference's two-dimensional kernel, from its own ranges: columns ascend, rows descend."""
    columns = torch.arange(-(size - 1) // 2, (size - 1) // 2 + 1).double()
    rows = torch.arange((size - 1) // 2, -(size - 1) // 2 - 1, -1).double()
    kernel = torch.exp(-(columns[None, :] ** 2 + rows[:, None] ** 2) / (2 * sigma**2))
    return kernel / kernel.sum()


def reference(map_: np.ndarray, kernel: torch.Tensor, side: int) -> np.ndarray:
    """Resize, convolve with "SAME" zero padding (one more after than before an even kernel's middle), resize."""
    x = torch.from_numpy(map_).double()[None, None]
    x = functional.interpolate(x, size=(64, 64), mode="bilinear", align_corners=False)
    before = (len(kernel) - 1) // 2
    after = len(kernel) - 1 - before
    x = functional.conv2d(functional.pad(x, (before, after, before, after)), kernel[None, None])
    return functional.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)[0, 0].numpy()


@pytest.mark.parametrize("shape", [(256, 256), (100, 100), (64, 64), (40, 40)])
def test_people_s_maps_are_prepared_as_by_the_reference(shape: tuple[int, int]) -> None:
    map_ = np.random.default_rng(0).random(shape) * 255
    np.testing.assert_allclose(
        Preparation().apply(map_), reference(map_, reference_kernel(), 224), rtol=1e-5, atol=1e-12
    )


def test_the_centred_kernel_is_odd_and_symmetric() -> None:
    map_ = np.random.default_rng(1).random((64, 64))
    along = torch.exp(-(torch.arange(-5, 6).double() ** 2) / 200)
    kernel = torch.outer(along, along) / along.sum() ** 2
    prepared = Preparation(centred=True).apply(map_)
    np.testing.assert_allclose(prepared, reference(map_, kernel, 224), rtol=1e-5, atol=1e-12)
    mirrored = Preparation(centred=True).apply(map_[::-1, ::-1])[::-1, ::-1]
    np.testing.assert_allclose(mirrored, prepared, rtol=1e-5, atol=1e-12)
    assert np.abs(Preparation().apply(map_[::-1, ::-1])[::-1, ::-1] - Preparation().apply(map_)).max() > 1e-3


def test_the_middle_of_a_large_mask_is_flat() -> None:
    mask = np.zeros((64, 64))
    mask[7:50, 10:] = 1
    prepared = Preparation(side=64, centred=True, renormalised=True).apply(mask)
    assert np.unique(prepared[12:45, 15:]).size == 1
    assert np.unique(prepared[60:]).tolist() == [0]


def test_zeros_outside_darken_the_border_unless_weights_are_renormalised() -> None:
    ones = np.ones((64, 64))
    assert Preparation().apply(ones)[0, 0] < 0.5
    np.testing.assert_allclose(Preparation(renormalised=True).apply(ones), 1, rtol=1e-6)


@pytest.mark.parametrize(("size", "resized"), [(4, 64), (64, 224), (256, 64), (7, 5)])
def test_bilinear_is_torch_s_without_antialiasing(size: int, resized: int) -> None:
    x = np.random.default_rng(2).random((2, size, size)).astype(np.float32)
    theirs = functional.interpolate(torch.from_numpy(x)[None], size=(resized, resized), mode="bilinear")[0].numpy()
    np.testing.assert_allclose(resize(x, resized), theirs, rtol=0, atol=1e-5)
    assert bilinear(size, resized).sum(axis=1) == pytest.approx(1)
