import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from vitobench.models.networks import build
from vitobench.models.pretraining.clips import ClipPool
from vitobench.models.pretraining.learners import normalise
from vitobench.models.pretraining.produce import PENALTIES, fit_linear_head, frozen_features


def clusters(noise: float, clips: int = 200, frames: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Features in four noisy clusters, on scales and offsets that differ by orders of magnitude."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (clips,), generator=rng)
    centres = torch.randn(4, 6, generator=rng)
    features = centres[labels].unsqueeze(1) + noise * torch.randn(clips, frames, 6, generator=rng)
    return features * torch.logspace(-2, 2, 6) + torch.linspace(-50, 50, 6), labels


def test_separable_classes_are_separated() -> None:
    features, labels = clusters(0.02)
    head, facts = fit_linear_head(features, labels, 4)
    assert facts["training_accuracy"] == facts["held_out_accuracy"] == 1.0
    with torch.no_grad():
        assert (head(features).argmax(-1) == labels.unsqueeze(1)).all()


@pytest.mark.parametrize("noise", [0.7, 1.5])
def test_agrees_with_scikit_learn(noise: float) -> None:
    features, labels = clusters(noise)
    head, facts = fit_linear_head(features, labels, 4)
    x, y = features.flatten(0, 1).double().numpy(), labels.repeat_interleave(2).numpy()
    mean, deviation = x.mean(0), x.std(0, ddof=1)
    # Mean loss plus penalty |W|^2 is scikit-learn's |W|^2 / 2 plus C times the summed loss.
    oracle = LogisticRegression(C=1 / (2 * facts["penalty"] * len(x)), max_iter=3000, tol=1e-8)
    oracle.fit((x - mean) / deviation, y)
    with torch.no_grad():
        got = head(features.flatten(0, 1)).softmax(1).numpy()
    expected = oracle.predict_proba((x - mean) / deviation)
    assert np.abs(got - expected).max() < 0.02
    assert (got.argmax(1) == y).mean() == pytest.approx((expected.argmax(1) == y).mean(), abs=0.01)
    assert facts["training_accuracy"] == pytest.approx((got.argmax(1) == y).mean(), abs=0.005)


def test_penalty_is_chosen_on_held_out_clips() -> None:
    features, labels = clusters(1.5)
    _, facts = fit_linear_head(features, labels, 4)
    x, y = features.double().numpy(), labels.numpy()
    x = (x - x.reshape(-1, 6).mean(0)) / x.reshape(-1, 6).std(0, ddof=1)
    held = np.arange(len(y)) % 5 == 4
    accuracies = {}
    for penalty in PENALTIES:
        train = x[~held].reshape(-1, 6)
        oracle = LogisticRegression(C=1 / (2 * penalty * len(train)), max_iter=3000, tol=1e-8)
        oracle.fit(train, y[~held].repeat(2))
        accuracies[penalty] = oracle.score(x[held].reshape(-1, 6), y[held].repeat(2))
    assert facts["held_out_accuracy"] == pytest.approx(max(accuracies.values()), abs=0.02)
    assert accuracies[facts["penalty"]] == pytest.approx(max(accuracies.values()), abs=0.02)


def test_random_labels_do_not_generalise() -> None:
    rng = torch.Generator().manual_seed(0)
    _, facts = fit_linear_head(torch.randn(300, 2, 8, generator=rng), torch.randint(0, 4, (300,), generator=rng), 4)
    assert facts["held_out_accuracy"] < 0.45


def test_constant_features_are_harmless() -> None:
    features, labels = clusters(0.02)
    features[..., 0] = 3.0
    head, _ = fit_linear_head(features, labels, 4)
    assert all(torch.isfinite(p).all() for p in head.parameters())


@pytest.mark.parametrize("architecture", ["micro-resnet8/average", "micro-resnet8/attention-2scale"])
def test_frozen_features_are_those_of_the_encoder_in_evaluation(architecture: str) -> None:
    torch.manual_seed(0)
    encoder = build(architecture, 16).train()
    frames = torch.randint(0, 256, (5, 3, 3, 32, 32), dtype=torch.uint8)
    calls = []
    found = frozen_features(
        encoder, ClipPool(frames, torch.arange(5)), 4, lambda done, total: calls.append((done, total))
    )
    assert calls == [(4, 15), (8, 15), (12, 15), (15, 15)]
    assert found.shape == (5, 3, encoder.pool.width)
    assert not encoder.training
    with torch.no_grad():
        for clip, frame in ((0, 0), (1, 2), (4, 1)):
            expected = encoder.features(normalise(frames[clip, frame].unsqueeze(0).float() / 255))
            torch.testing.assert_close(found[clip, frame], expected[0], atol=1e-4, rtol=1e-4)
