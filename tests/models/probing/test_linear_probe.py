import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from vitobench.classifiers import minimise
from vitobench.models.probing.fitting import ABSENT, PENALTIES, fit_linear


def clusters(noise: float, n: int = 300, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy clusters, on scales and offsets that differ by orders of magnitude."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.randint(0, classes, (n,), generator=rng)
    centres = torch.randn(classes, 6, generator=rng)
    features = centres[labels] + noise * torch.randn(n, 6, generator=rng)
    return features * torch.logspace(-2, 2, 6) + torch.linspace(-50, 50, 6), labels


def oracle(x: np.ndarray, y: np.ndarray, penalty: float) -> LogisticRegression:
    # Mean loss plus penalty |W|^2 is scikit-learn's |W|^2 / 2 plus C times the summed loss.
    return LogisticRegression(C=1 / (2 * penalty * len(x)), max_iter=5000, tol=1e-9).fit(x, y)


@pytest.mark.parametrize("penalty", [1.0, 1e-2, 1e-4])
def test_one_fit_agrees_with_scikit_learn(penalty: float) -> None:
    features, labels = clusters(1.0)
    x = ((features - features.mean(0)) / features.std(0)).double()
    weight, bias = minimise(x, labels, 4, penalty)
    expected = oracle(x.numpy(), labels.numpy(), penalty).predict_proba(x.numpy())
    torch.testing.assert_close((x @ weight.T + bias).softmax(1), torch.from_numpy(expected), atol=1e-4, rtol=0)


@pytest.mark.parametrize("noise", [0.7, 1.5])
def test_penalty_and_probabilities_are_those_of_scikit_learn(noise: float) -> None:
    features, labels = clusters(noise)
    head, facts = fit_linear(features, labels, 4)
    x, y = features.double().numpy(), labels.numpy()
    x = (x - x.mean(0)) / x.std(0, ddof=1)
    held = np.arange(len(x)) % 5 == 4
    scores = [oracle(x[~held], y[~held], p).score(x[held], y[held]) for p in PENALTIES]
    assert facts["penalty"] == PENALTIES[int(np.argmax(scores))]  # the first, hence strongest, of equals
    assert facts["validation_accuracy"] == pytest.approx(max(scores), abs=1e-4)
    with torch.no_grad():
        got = head(features).softmax(1)
    expected = oracle(x, y, facts["penalty"]).predict_proba(x)
    torch.testing.assert_close(got.double(), torch.from_numpy(expected), atol=3e-3, rtol=0)


def test_classes_without_an_image_are_never_answered() -> None:
    features, labels = clusters(0.5)
    head, _ = fit_linear(features, labels * 3 + 1, 12)
    with torch.no_grad():
        logits = head(features * 100)
    assert set(logits.argmax(1).tolist()) <= {1, 4, 7, 10}
    absent = [k for k in range(12) if k not in (1, 4, 7, 10)]
    assert (head.linear.bias[absent] == ABSENT).all()
    assert (head.linear.weight[absent] == 0).all()


def test_a_penalty_at_the_end_is_remarked() -> None:
    features, labels = clusters(0.01)
    assert "end of those tried" in str(fit_linear(features, labels, 4)[1]["remark"])
    assert "remark" not in fit_linear(features, labels, 4, penalties=(1e-3,))[1]
    with pytest.raises(ValueError, match="too few"):
        fit_linear(features[:4], labels[:4], 4)
