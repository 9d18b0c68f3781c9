import numpy as np
import pytest
import torch

from vitobench.models.batching import answer, is_out_of_memory

IMAGES = np.random.default_rng(0).integers(0, 256, (37, 4, 4, 3), dtype=np.uint8)


class Limited:
    """Answers with channel means, for at most ``most`` images at once."""

    def __init__(self, most: int, error: Exception | None = None) -> None:
        self.device = torch.device("cpu")
        self.most = most
        self.error = error or RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.calls: list[int] = []

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(images))
        assert images.dtype == torch.uint8
        assert images.shape[1:] == (3, 4, 4)
        if len(images) > self.most:
            raise self.error
        return images.float().mean((2, 3))


def torchs_own_error() -> RuntimeError:
    try:
        torch.empty(2**58, dtype=torch.uint8)
    except RuntimeError as error:
        return error
    raise AssertionError("this machine has 288 petabytes")


@pytest.mark.parametrize(
    "error",
    [
        None,
        MemoryError(),
        torch.cuda.OutOfMemoryError("no text that helps"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        torchs_own_error(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(
    ("most", "batch", "used"), [(37, 50, 50), (5, 50, 4), (5, 32, 4), (8, 8, 8), (1, 16, 1), (9, 9, 9)]
)
def test_a_batch_that_does_not_fit_is_halved(error: Exception | None, most: int, batch: int, used: int) -> None:
    model = Limited(most, error)
    logits, found = answer(model, IMAGES, batch)
    assert found == used
    assert logits.dtype == torch.float32
    np.testing.assert_allclose(logits.numpy(), IMAGES.mean((1, 2)), rtol=1e-5)
    assert sum(n for n in model.calls if n <= most) == 37  # nothing is asked twice
    assert sum(n > most for n in model.calls) <= 6


def test_memory_that_ends_half_way_keeps_the_answers_before() -> None:
    class Shrinking(Limited):
        def logits(self, images: torch.Tensor) -> torch.Tensor:
            if len(self.calls) == 2:
                self.most = 3
            return super().logits(images)

    model = Shrinking(10)
    logits, used = answer(model, IMAGES, 10)
    assert used == 2
    assert model.calls == [10, 10, 10, 5] + [2] * 8 + [1]
    np.testing.assert_allclose(logits.numpy(), IMAGES.mean((1, 2)), rtol=1e-5)


def test_logits_are_copied_from_the_device_once() -> None:
    copies = []

    class OnDevice(torch.Tensor):
        def cpu(self) -> torch.Tensor:
            copies.append(len(self))
            return self.as_subclass(torch.Tensor)

    class Device(Limited):
        def logits(self, images: torch.Tensor) -> torch.Tensor:
            return super().logits(images).as_subclass(OnDevice)

    logits, _ = answer(Device(10), IMAGES, 10)
    assert copies == [37]
    np.testing.assert_allclose(logits.numpy(), IMAGES.mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_memory_that_torch_keeps_is_given_back_before_the_smaller_batch(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Limited(5)
    model.device = torch.device(kind)
    given_back = []
    monkeypatch.setattr(getattr(torch, kind), "empty_cache", lambda: given_back.append(len(model.calls)))
    assert answer(model, IMAGES, 16)[1] == 4
    assert given_back == [1, 2]  # after each batch that did not fit


def test_one_image_that_does_not_fit_is_an_error() -> None:
    model = Limited(0)
    with pytest.raises(RuntimeError, match="Tried to allocate"):
        answer(model, IMAGES, 8)
    assert model.calls == [8, 4, 2, 1]


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("out of memory"), KeyError("x")])
def test_other_errors_pass_through_at_once(error: Exception) -> None:
    model = Limited(0, error)
    with pytest.raises(type(error)):
        answer(model, IMAGES, 8)
    assert model.calls == [8]
    assert not is_out_of_memory(error)


@pytest.mark.parametrize(("images", "batch"), [(IMAGES, 0), (IMAGES[:0], 8)])
def test_an_empty_batch_is_refused(images: np.ndarray, batch: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        answer(Limited(8), images, batch)
