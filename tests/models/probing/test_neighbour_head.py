import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from vitobench.errors import UnknownNameError, VitobenchError
from vitobench.models.probing.heads import HeadSpec, NeighbourHead, build_head


def bank(n: int = 200, width: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 5, (n,), generator=rng)
    centres = torch.randn(5, width, generator=rng)
    features = (centres[labels] + torch.randn(n, width, generator=rng)) * 7
    queries = centres[torch.arange(40) % 5] + torch.randn(40, width, generator=rng)
    return features, labels, queries


def filled(features: torch.Tensor, labels: torch.Tensor, **more: float) -> NeighbourHead:
    head = NeighbourHead(features.shape[1], 5, HeadSpec("knn", bank=len(features), **more))
    head.fill(features, labels)
    return head


@pytest.mark.parametrize(("k", "temperature"), [(20, 0.07), (1, 0.07), (200, 0.5)])
def test_votes_are_those_of_scikit_learn(k: int, temperature: float) -> None:
    features, labels, queries = bank()
    head = filled(features, labels, k=k, temperature=temperature)
    # The bank as it is stored, so that no two neighbours change places by rounding.
    stored = head.bank.double().numpy()
    oracle = KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / temperature)
    ).fit(stored, labels.numpy())
    expected = torch.from_numpy(oracle.predict_proba(queries.double().numpy()))
    torch.testing.assert_close(head(queries).softmax(1).double(), expected, atol=2e-3, rtol=0)


def test_size_and_scale_of_the_features_do_not_matter() -> None:
    features, labels, queries = bank()
    head = filled(features, labels)
    torch.testing.assert_close(head(queries * 1000), head(queries), rtol=1e-4, atol=1e-3)
    assert head.bank.dtype == torch.float16
    few = filled(features[:3], labels[:3])
    assert few.k == 3
    assert torch.isfinite(few(queries)).all()


def test_the_text_of_a_head_is_read_again() -> None:
    for spec in (
        HeadSpec("linear"),
        HeadSpec("knn", bank=7, k=3, temperature=0.1),
        HeadSpec("attentive", heads=3),
    ):
        assert HeadSpec.parse(spec.text) == spec
    for text in ("knn(k=x)", "knn(size=3)", "linear)", "", "knn(k)"):
        with pytest.raises(VitobenchError, match="Invalid head"):
            HeadSpec.parse(text)
    with pytest.raises(UnknownNameError, match="linear"):
        HeadSpec.parse("linaer")
    with pytest.raises(VitobenchError, match="no features"):
        build_head(HeadSpec("knn"), 4, 2)
    with pytest.raises(VitobenchError, match="1 or more"):
        HeadSpec("knn", k=0)
