import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitobench.models.pretraining.objectives import (
    byol_loss,
    dino_loss,
    info_nce,
    momentum_at,
    nt_xent,
    symmetric_info_nce,
)


def formula(predictions: np.ndarray, targets: np.ndarray, temperature: float) -> float:
    total = 0.0
    for i, p in enumerate(predictions):
        similar = [p @ z / np.linalg.norm(p) / np.linalg.norm(z) / temperature for z in targets]
        total += np.log(np.sum(np.exp(np.array(similar) - max(similar)))) + max(similar) - similar[i]
    return total / len(predictions)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("shape", [(2, 3), (17, 8), (64, 128)])
def test_info_nce_matches_the_formula(shape: tuple[int, int], temperature: float) -> None:
    rng = np.random.default_rng(0)
    p, z = 5 * rng.normal(size=shape), rng.normal(size=shape)
    got = info_nce(torch.tensor(p), torch.tensor(z), temperature)
    assert got.item() == pytest.approx(formula(p, z, temperature), rel=1e-5)


def test_info_nce_by_hand() -> None:
    eye = torch.eye(5)
    # Perfect and orthogonal: only the positive counts, at cosine 1 over temperature.
    assert info_nce(7 * eye, eye, 0.1).item() == pytest.approx(math.log(1 + 4 * math.exp(-10)), abs=1e-6)
    assert info_nce(eye, eye.roll(1, 0), 0.5).item() == pytest.approx(math.log(math.exp(2) + 4), rel=1e-6)
    # Two clips: a logistic loss of the difference of cosines.
    p, z = torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([[0.8, 0.6], [0.0, 1.0]])
    expected = F.softplus(-torch.tensor([0.8 - 0.0, 0.8 - 0.96]) / 0.1).mean()
    torch.testing.assert_close(info_nce(p, z, 0.1), expected)


@pytest.mark.parametrize("n", [2, 16, 128])
def test_predictions_that_say_nothing_cost_log_n(n: int) -> None:
    same = torch.randn(1, 8).expand(n, 8)
    assert info_nce(torch.randn(n, 8), same).item() == pytest.approx(math.log(n), rel=1e-5)
    assert info_nce(same, same).item() == pytest.approx(math.log(n), rel=1e-5)


def test_length_of_the_vectors_does_not_matter() -> None:
    p, z = torch.randn(8, 4), torch.randn(8, 4)
    torch.testing.assert_close(info_nce(p * torch.rand(8, 1).add(0.1) * 9, 3 * z), info_nce(p, z))


def test_no_gradient_flows_into_the_targets() -> None:
    p, z = torch.randn(6, 4, requires_grad=True), torch.randn(6, 4, requires_grad=True)
    info_nce(p, z).backward()
    assert z.grad is None
    assert p.grad is not None
    # A gradient step on the predictions lowers the loss.
    assert info_nce(p - 0.01 * p.grad, z) < info_nce(p, z)


def test_symmetric_loss_crosses_the_views() -> None:
    p, z = torch.randn(2, 8, 4), torch.randn(2, 8, 4)
    expected = (info_nce(p[0], z[1], 0.2) + info_nce(p[1], z[0], 0.2)) / 2
    torch.testing.assert_close(symmetric_info_nce((p[0], p[1]), (z[0], z[1]), 0.2), expected)
    torch.testing.assert_close(symmetric_info_nce((p[1], p[0]), (z[1], z[0]), 0.2), expected)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        info_nce(torch.zeros(4, 2), torch.zeros(3, 2))
    for temperature in (0.0, -0.1):
        with pytest.raises(ValueError, match="must be positive"):
            info_nce(torch.ones(4, 2), torch.ones(4, 2), temperature)


@pytest.mark.parametrize("base", [0.9, 0.99, 0.996])
def test_momentum_rises_along_a_cosine(base: float) -> None:
    assert momentum_at(0, 100, base) == pytest.approx(base)
    assert momentum_at(100, 100, base) == 1.0
    assert momentum_at(50, 100, base) == pytest.approx((1 + base) / 2)
    assert momentum_at(25, 100, base) == pytest.approx(1 - (1 - base) * (math.cos(math.pi / 4) + 1) / 2)
    values = [momentum_at(k, 100, base) for k in range(101)]
    assert values == sorted(values)


def test_negatives_of_the_same_view_leave_out_the_clip_itself() -> None:
    p, z, own = (torch.randn(6, 4, dtype=torch.float64) for _ in range(3))
    unit = [F.normalize(t, dim=1) for t in (p, z, own)]
    total = 0.0
    for i in range(6):
        across, same = unit[0][i] @ unit[1].T / 0.2, unit[0][i] @ unit[2].T / 0.2
        every = torch.cat([across, same[torch.arange(6) != i]])
        total += float(every.logsumexp(0) - across[i]) / 6
    assert info_nce(p, z, 0.2, same_view=own).item() == pytest.approx(total, rel=1e-5)


def test_the_parts_of_a_batch_add_up_to_its_loss() -> None:
    p, z = torch.randn(2, 8, 4), torch.randn(2, 8, 4)
    whole = symmetric_info_nce((p[0], p[1]), (z[0], z[1]), 0.1, same_view=True)
    parts = [
        symmetric_info_nce((p[0, a:b], p[1, a:b]), (z[0], z[1]), 0.1, first=a, same_view=True)
        for a, b in ((0, 4), (4, 8))
    ]
    torch.testing.assert_close(sum(parts) / 2, whole)
    parts = [nt_xent(p[0, a:b], p[1, a:b], 0.3, (p[0], p[1]), first=a) for a, b in ((0, 4), (4, 8))]
    torch.testing.assert_close(sum(parts) / 2, nt_xent(p[0], p[1], 0.3))


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_matches_the_formula(temperature: float) -> None:
    rng = np.random.default_rng(2)
    one, two = rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    rows = np.concatenate([one, two])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    total = 0.0
    for i in range(14):
        similar = np.exp(rows @ rows[i] / temperature)
        total += -np.log(similar[(i + 7) % 14] / (similar.sum() - similar[i])) / 14
    assert nt_xent(torch.tensor(one), torch.tensor(two), temperature).item() == pytest.approx(total, rel=1e-5)


def test_byol_loss_is_the_squared_distance_of_unit_vectors() -> None:
    rng = np.random.default_rng(3)
    p, z = rng.normal(size=(9, 6)), rng.normal(size=(9, 6))
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (p, z)]
    expected = ((unit[0] - unit[1]) ** 2).sum(1).mean()
    assert byol_loss(torch.tensor(p), torch.tensor(z)).item() == pytest.approx(expected, rel=1e-5)
    target = torch.tensor(z, requires_grad=True)
    prediction = torch.tensor(p, requires_grad=True)
    byol_loss(prediction, target).backward()
    assert target.grad is None
    assert prediction.grad is not None


def test_dino_loss_matches_the_formula() -> None:
    rng = np.random.default_rng(4)
    student, teacher, centre = rng.normal(size=(2, 5, 6)), rng.normal(size=(2, 5, 6)), rng.normal(size=6)

    def softmax(x: np.ndarray) -> np.ndarray:
        powers = np.exp(x - x.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    total = 0.0
    for view in (0, 1):
        q, p = softmax((teacher[view] - centre) / 0.04), softmax(student[1 - view] / 0.1)
        total -= (q * np.log(p)).sum(1).mean() / 2
    s, t = ((torch.tensor(x[0]), torch.tensor(x[1])) for x in (student, teacher))
    assert dino_loss(s, t, torch.tensor(centre), 0.1, 0.04).item() == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize(
    "loss_of",
    [
        info_nce,
        lambda p, z: info_nce(p, z, same_view=p),
        lambda p, z: nt_xent(p, z, 0.1),
        byol_loss,
        lambda p, z: dino_loss((p, z), (z, p), torch.zeros(8), 0.1, 0.04),
    ],
)
def test_losses_are_float32_under_autocast(loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    z = torch.randn(16, 8)
    p = (z + 0.3 * torch.randn(16, 8)).requires_grad_()
    expected = loss_of(p, z)
    with torch.autocast("cpu", torch.bfloat16):
        got = loss_of(p, z)
    assert got.dtype == torch.float32
    assert torch.equal(got, expected)
    assert torch.equal(*(torch.autograd.grad(loss, p)[0] for loss in (got, expected)))
