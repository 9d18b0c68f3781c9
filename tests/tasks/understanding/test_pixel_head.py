"""Linear heads on the cells of maps: exact features, an independent fit, the choice of a rate, and bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from vitobench.errors import DataError
from vitobench.tasks.kinds.segmentation import mean_iou
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.pixel_head import COLOURS, Cells, Fitting, LinearHead, PixelHead, cell_miou, trained
from vitobench.tasks.understanding.protocol import Numbers
from vitobench.tasks.understanding.retrieval import Retrieval
from vitobench.tasks.understanding.segmentation import MEASURES, VOID
from vitobench.tests.tasks.understanding.drawn import Drawn, OneHot

HOW = LinearHead(("ground", "red", "blue"), side=32, within=8, stride=8, steps=150, batch=64, rates=(1e-2, 3e-2))
IDS = tuple(f"m{number}" for number in range(10))


def miou(found: Numbers) -> float:
    total = {m: np.array([[found.values[f"{c:03d} {m}"].sum() for c in range(3)]]) for m in MEASURES}
    return float(mean_iou(total["intersection"], total["union"])[0])


def cells_of(values: np.ndarray, shares: np.ndarray) -> Cells:
    rows = torch.from_numpy(values.astype(np.float32))
    return Cells(rows.half(), torch.ones(len(rows), 1), torch.from_numpy(shares.astype(np.float32)))


def test_features_that_are_the_classes_give_what_cells_of_their_size_can_show() -> None:
    squares = Drawn(memory_ids=IDS)
    exact = HOW.examiner(OneHot(), squares).numbers([0, 1])  # type: ignore[arg-type]
    ceiling = HOW.examiner("true classes at stride 8", squares).numbers([0, 1])  # type: ignore[arg-type]
    assert miou(exact) == pytest.approx(miou(ceiling), abs=0.03)  # logits put a border elsewhere than shares do
    pixels = replace(HOW, stride=1)
    fine = Drawn(memory_ids=IDS, square=4, digest="fine")
    assert miou(pixels.examiner(OneHot(), fine).numbers([0, 1])) == 1  # type: ignore[arg-type]
    mixed = HOW.examiner(OneHot(), fine).numbers([0, 1])  # type: ignore[arg-type]
    best = miou(HOW.examiner("true classes at stride 8", fine).numbers([0, 1]))  # type: ignore[arg-type]
    assert 0.3 < best < 0.8
    assert miou(mixed) == pytest.approx(best, abs=0.08)


def test_the_fit_is_that_of_a_logistic_regression_of_another_library() -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(400, 4)) * [1, 30, 0.2, 1] + [0, 100, 0, 5]).astype(np.float16).astype(np.float64)
    shares = rng.dirichlet([0.3] * 3, 400) * rng.choice([1, 0.4], 400)[:, None]
    shares += 0.5 * np.eye(3)[(values[:, 0] + values[:, 2] * 5 > 0).astype(int)]
    how = replace(HOW, steps=1500, batch=400, decay=0.0)
    (head,) = trained(cells_of(values, shares), torch.arange(400), how, (3e-2,))
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    oracle = LogisticRegression(C=1e8, max_iter=2000, tol=1e-8)
    oracle.fit(np.tile(standard, (3, 1)), np.repeat([0, 1, 2], 400), sample_weight=shares.T.ravel())
    found = head.logits(torch.from_numpy(values.astype(np.float32))).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, oracle.predict_proba(standard), atol=5e-3)


def test_the_rate_is_chosen_on_held_out_labelled_images() -> None:
    source = Drawn(memory_ids=IDS)
    for rates, expected in (((0.0, 1e-2), 1e-2), ((1e-2, 0.0), 1e-2)):
        how = replace(HOW, rates=rates)
        examiner = how.examiner(encoder := OneHot(), source)  # type: ignore[arg-type]
        head = examiner._reader(encoder)  # type: ignore[arg-type]
        assert isinstance(head, PixelHead)
        assert head.rate == expected
        assert encoder.seen == len(IDS)  # no other image was read
    learner = HOW.learner(10)
    for number in range(10):
        learner.see(f"{number}", torch.full((2, 1, 3), float(number + 1)), np.ones((3, 3), np.int64), 3.0)
    cells, held_out = learner.gathered()
    everything = torch.arange(len(cells))
    assert {int(value) for value in cells.features(everything[held_out])[:, 0]} == {5, 10}


def test_miou_of_cells_made_by_hand() -> None:
    cells = cells_of(np.eye(3), np.array([[0.5, 0.5, 0], [0, 1, 0], [0, 0.25, 0]]))
    head = PixelHead(torch.zeros(3), torch.ones(3), torch.eye(3)[:, [0, 1, 1]], torch.tensor([0.0, 0.0, -1.0]), 0.1)
    # The first cell is named 0, the others 1: 0.5 of 1 for class 0, and 1.25 of 1.75 for class 1; nothing has class 2.
    weights = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0]])
    assert cell_miou(replace(head, weights=weights), cells, torch.arange(3)) == pytest.approx((0.5 + 1.25 / 1.75) / 2)


def test_cells_are_bounded_drawn_by_the_name_alone_and_fit_half_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    how = replace(HOW, cells=30)
    features = [torch.randn(4, 4, 4, generator=generator) * 10.0**power for power in (0, 6, -9, 3, 30)]
    counts = np.zeros((16, 3), np.int64)
    counts[:12, 1] = 5  # the last four cells have no class
    learners = [how.learner(5), how.learner(5)]
    for learner in learners:
        assert isinstance(learner, Fitting)
        for number, one in enumerate(features):
            learner.see(f"i{number}", one, counts, 10.0)
    cells, held_out = learners[0].gathered()
    again, _ = learners[1].gathered()
    assert len(cells) == 30  # six of each image
    assert cells.values.dtype == torch.float16
    assert held_out.tolist() == [False] * 24 + [True] * 6
    assert (cells.values == again.values).all()
    assert (cells.shares == torch.tensor([0, 0.5, 0])).all()  # half of the pixels have a class
    for number, one in enumerate(features):
        own = cells.features(torch.arange(30))[6 * number : 6 * number + 6]
        near = torch.cdist(own.double(), one.flatten(1).T.double()).argmin(dim=1)
        assert len(near.unique()) == 6
        assert near.max() < 12
        torch.testing.assert_close(own, one.flatten(1).T[near], rtol=0, atol=float(one.abs().max()) * 2**-11)


def test_channels_without_spread_and_of_any_scale_do_no_harm() -> None:
    source = Drawn(memory_ids=IDS)
    plain = HOW.examiner(OneHot(), source).numbers([0])  # type: ignore[arg-type]
    for scale in (1e-12, 1e12):
        scaled = HOW.examiner(OneHot(scale=scale), source).numbers([0])  # type: ignore[arg-type]
        assert miou(scaled) == pytest.approx(miou(plain), abs=0.01)
    flat = HOW.examiner(OneHot(scale=0.0), source).numbers([0])  # type: ignore[arg-type]
    named = [flat.values[f"{c:03d} union"][0] == 32 * 32 for c in range(3)]
    assert sum(named) == 1  # the commonest class everywhere


def test_labelled_images_are_read_once_for_a_head_and_a_memory() -> None:
    source, encoder = Drawn(memory_ids=IDS), OneHot()
    memory = Retrieval(HOW.classes, side=32, within=8, stride=8, neighbours=3)
    examiners = [how.examiner(encoder, source) for how in (memory, HOW)]  # type: ignore[arg-type]
    together = [one.numbers([0, 1]) for one in examiners]
    assert encoder.seen == len(IDS) + 2 * 2  # the engine keeps the maps of the images themselves
    alone = HOW.examiner(OneHot(), source)  # type: ignore[arg-type]
    for name, values in together[1].values.items():
        np.testing.assert_array_equal(alone.numbers([1]).values[name], values[1:])
    other = replace(HOW, side=16).examiner(encoder, source)  # type: ignore[arg-type]
    other.numbers([0])
    assert encoder.seen == len(IDS) + 2 * 2 + len(IDS) + 1


def test_a_head_on_colours_knows_plain_colours_and_places() -> None:
    source = Drawn(memory_ids=IDS)
    coloured, ceiling = (
        miou(HOW.examiner(name, source).numbers([0, 1]))  # type: ignore[arg-type]
        for name in (COLOURS, "true classes at stride 8")
    )
    assert coloured == pytest.approx(ceiling, abs=0.05)
    tasks = [get_task(name) for name in ("pascal-voc-linear", "pascal-voc")]
    linear, retrieved = ({*task.kind.baselines(task)} for task in tasks)
    assert linear - retrieved == {COLOURS}
    assert linear > retrieved
    (encoder,) = LinearHead.stand_ins.values()
    images = np.zeros((2, 20, 32, 3), np.uint8)
    images[:, :8, 8:16] = 255
    maps = encoder.maps(images, 8, 8)
    assert maps.shape == (2, 7, 3, 4)
    assert maps[1, :, 0, 1].tolist() == pytest.approx([1, 1, 1, 0.5 / 3, 1.5 / 4, (0.5 / 3) ** 2, (1.5 / 4) ** 2])


def test_too_few_labelled_images_and_none_with_a_class_are_said() -> None:
    few = Drawn(memory_ids=IDS[:4])
    with pytest.raises(DataError, match=r"a head needs 5 labelled images or more, .* there are 4"):
        HOW.examiner(OneHot(), few).numbers([0])  # type: ignore[arg-type]
    blank = np.full((32, 32), VOID, np.uint8)
    for names, reason in ((IDS, "every 5th"), ((IDS[4], IDS[9]), "every 5th"), (IDS[:4] + IDS[5:9], "others")):
        source = Drawn(memory_ids=IDS, changed=dict.fromkeys(names, blank))
        with pytest.raises(DataError, match=f"no pixel of the labelled images has a class .{reason}"):
            HOW.examiner(OneHot(), source).numbers([0])  # type: ignore[arg-type]
