import copy

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from vitobench.classifiers import neighbour_votes
from vitobench.models.networks import build
from vitobench.models.pretraining.devices import Ranks
from vitobench.models.pretraining.monitors import LinearMonitor, NeighbourExam

CPU = torch.device("cpu")


def blobs(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 5, (count,), generator=rng)
    centres = torch.randn(5, 8, generator=torch.Generator().manual_seed(99))
    return centres[labels] + 0.9 * torch.randn(count, 8, generator=rng), labels


def test_votes_are_those_of_scikit_learn() -> None:
    (bank, labels), (queries, _) = blobs(150, 0), blobs(80, 1)
    unit = [torch.nn.functional.normalize(x.double(), dim=1).numpy() for x in (bank, queries)]
    oracle = KNeighborsClassifier(20, weights=lambda d: np.exp((1 - d) / 0.07), metric="cosine", algorithm="brute")
    expected = oracle.fit(unit[0], labels.numpy()).predict(unit[1])
    bank = torch.nn.functional.normalize(bank, dim=1)
    assert (neighbour_votes(bank, labels, queries, 5).argmax(1).numpy() == expected).mean() > 0.98
    few = neighbour_votes(bank[:3], labels[:3], queries[:4], 5)
    assert ((few > 0).sum(1) <= 3).all()  # fewer than twenty
    assert (few.sum(1) >= 1).all()


def test_the_exam_leaves_the_encoder_as_it_was() -> None:
    torch.manual_seed(0)
    encoder = build("micro-resnet8/average", 4).train()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    bank = torch.randint(0, 256, (9, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(9)
    drawn = torch.random.get_rng_state()
    exam = NeighbourExam(bank, labels, bank.flip(0), labels.flip(0))
    assert exam.accuracy(encoder, Ranks(), CPU, batch=4) == 1.0  # each is its own nearest neighbour
    assert encoder.training
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), drawn)


def test_the_linear_monitor_learns_and_goes_on_exactly() -> None:
    drawn = torch.random.get_rng_state()
    monitor = LinearMonitor(8, 5, Ranks(), CPU)
    for step in range(200):
        monitor.learn(*blobs(64, step))
    assert monitor.accuracy is not None
    assert monitor.accuracy > 0.6
    other = LinearMonitor(8, 5, Ranks(), CPU)
    other.load(copy.deepcopy(monitor.state()))  # as from a file: not the very tensors
    for m in (monitor, other):
        m.learn(*blobs(64, 777))
    assert torch.equal(monitor.head.weight, other.head.weight)
    assert monitor.accuracy == other.accuracy
    assert torch.equal(torch.random.get_rng_state(), drawn)
    # Folded into one layer, it answers raw features as the two do.
    features, labels = blobs(100, 5)
    monitor.scale.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            monitor.classifier()(features), monitor.head(monitor.scale(features)), atol=1e-4, rtol=1e-4
        )
    assert (monitor.classifier()(features).argmax(1) == labels).float().mean() > 0.6


@pytest.mark.parametrize("known", [0, 1])
def test_clips_without_a_label_teach_nothing(known: int) -> None:
    monitor = LinearMonitor(8, 5, Ranks(), CPU)
    features, labels = blobs(16, 0)
    labels[known:] = -1
    monitor.learn(features, labels)
    assert monitor.accuracy is None
    assert (monitor.head.weight == 0).all()
