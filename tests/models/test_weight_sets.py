"""Which weights are taken from a file: prefixes, sets of weights, what lies beside, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import load_checkpoint
from torch import nn
from torch.optim.swa_utils import AveragedModel

from vitobench.bench.mock_run import mock_run
from vitobench.bench.planning.asked import make_plan
from vitobench.bench.settings import Settings
from vitobench.errors import CheckpointError
from vitobench.identity import file_digest
from vitobench.models import registry
from vitobench.models.sources import files
from vitobench.models.spec import WEIGHTS_NOTE
from vitobench.models.weight_sets import choose
from vitobench.results.store import Store

State = dict[str, torch.Tensor]
ARCHITECTURE = "test_resnet"


def network(seed: int, classes: int = 16) -> nn.Module:
    torch.manual_seed(seed)
    return timm.create_model(ARCHITECTURE, pretrained=False, num_classes=classes).eval()


RAW, EMA = network(0).state_dict(), network(1).state_dict()


def under(prefix: str, state: State) -> State:
    return {prefix + name: value.clone() for name, value in state.items()}


def averaged() -> State:
    """As torchvision's reference training stores it."""
    return AveragedModel(network(1)).state_dict()


def name_of(path: Path, options: str = "") -> str:
    return f"file:{path}?arch=timm:{ARCHITECTURE}{options}"


def taken(path: Path, options: str = "") -> State:
    """The weights of the network that is built."""
    built: Any = files.SOURCE.build(registry.resolve(name_of(path, options)))
    return built.network.state_dict()


def equal(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def saved(path: Path, content: Any) -> Path:
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


PREFIXES = ["", "module.", "_orig_mod.", "model.", "net.", "_orig_mod.module.", "module.model.", "a.b.c.d."]


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_whatever_prefix_leaves_the_networks_own_names_is_taken_off(tmp_path: Path, prefix: str, ending: str) -> None:
    beside = {"criterion.weight": torch.ones(16), "n_averaged": torch.tensor(3), "loss_fn.log_scale": torch.ones(1)}
    path = saved(tmp_path / f"c.{ending}", under(prefix, RAW) | (beside if prefix else {}))
    assert equal(taken(path), RAW)
    spec = registry.resolve(name_of(path))
    assert spec.weights_hash == file_digest(path)
    for name in beside if prefix else ():
        assert name in spec.extra[WEIGHTS_NOTE]
    assert (WEIGHTS_NOTE in spec.extra) == bool(prefix)


def test_counters_of_a_profiler_and_losses_at_the_top_are_left_out_and_named(tmp_path: Path) -> None:
    more = {"total_ops": torch.zeros(1), "layer1.0.total_params": torch.zeros(1), "loss.weight": torch.ones(16)}
    path = saved(tmp_path / "c.pth", {"state_dict": RAW | more})
    assert equal(taken(path), RAW)
    note = registry.resolve(name_of(path)).extra[WEIGHTS_NOTE]
    assert all(name in note for name in more)


@pytest.mark.parametrize("extra", ["layer4.1.conv1.weight", "norm_pre.weight", "reg_token", "layer1.0.conv9.weight"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_an_entry_that_the_network_has_no_place_for_means_another_architecture(
    tmp_path: Path, prefix: str, extra: str
) -> None:
    # A deeper network has all the entries of a shallower one: cut off silently, it would give another model's numbers.
    path = saved(tmp_path / "c.pth", under(prefix, RAW | {extra: torch.zeros(3)}))
    with pytest.raises(CheckpointError, match=rf"1 unexpected \({extra}\)"):
        registry.resolve(name_of(path))


SETS: dict[str, Callable[[], dict[str, Any]]] = {
    "state_dict": lambda: {"state_dict": RAW, "state_dict_ema": EMA},
    "model": lambda: {"model": RAW, "model_ema": EMA, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}},
    "torchvision": lambda: {"model": under("module.", RAW), "model_ema": averaged(), "epoch": 3},
}


@pytest.mark.parametrize("form", SETS)
def test_of_the_sets_that_timm_knows_its_own_choice_is_taken_and_told(tmp_path: Path, form: str) -> None:
    path = saved(tmp_path / "c.pth", SETS[form]())
    if form != "torchvision":  # timm does not take the counter of averaged weights
        by_timm = network(5)
        load_checkpoint(by_timm, str(path))
        assert equal(by_timm.state_dict(), EMA)
    assert equal(taken(path), EMA)
    assert equal(taken(path, "&weights=ema"), EMA)
    assert equal(taken(path, "&weights=raw"), RAW)
    plain = next(iter(SETS[form]()))
    assert equal(taken(path, f"&weights={plain}"), RAW)
    spec, raw = registry.resolve(name_of(path)), registry.resolve(name_of(path, "&weights=raw"))
    assert spec.extra["weights"] == f"{plain}_ema"
    assert f"2 sets of weights: {plain}_ema is used; {plain} with &weights=raw" in spec.extra[WEIGHTS_NOTE]
    assert f"weights {plain}_ema" in spec.description
    # What an earlier version stored of this file was of the plain weights, and must not be taken for the others'.
    assert raw.weights_hash == file_digest(path) != spec.weights_hash
    assert files.SOURCE.still_describes(spec)
    assert files.SOURCE.still_describes(raw)
    old = registry.ModelSpec(**{**vars(raw), "name": spec.name, "extra": {"timm": timm.__version__}})
    assert not files.SOURCE.still_describes(old)
    with pytest.raises(CheckpointError, match="changed after"):
        files.SOURCE.build(old)
    with pytest.raises(CheckpointError, match=rf"no set of weights 'teacher'\. Valid: weights={plain}, .*weights=raw"):
        registry.resolve(name_of(path, "&weights=teacher"))


ALONE: dict[str, dict[str, Any]] = {
    "ema": {"ema": EMA},
    "model_ema": {"model_ema": EMA, "args": {"lr": 0.1}},
    "state_dict_ema": {"epoch": 3, "state_dict_ema": under("module.", EMA)},
    "model_state_dict": {"model_state_dict": EMA},
    "teacher": {
        "teacher": under("module.", EMA),
        "student": under("module.backbone.", {"conv1.weight": torch.ones(3)}),
    },
    "callback": {"callbacks": {"EMACallback{'decay': 0.999}": {"ema_state_dict": under("model.", EMA)}}},
    "not named so": {"optimizer": {}, "deep": {"deeper": {"network": EMA}}, "state_dict": {"steps": torch.ones(1)}},
}


@pytest.mark.parametrize("form", ALONE)
def test_the_only_set_there_is_is_taken(tmp_path: Path, form: str) -> None:
    path = saved(tmp_path / "c.pth", ALONE[form])
    assert equal(taken(path), EMA)
    spec = registry.resolve(name_of(path))
    assert spec.weights_hash == file_digest(path)
    for alias in ("ema", "raw"):
        if alias == ("ema" if "averaged" in spec.extra.get(WEIGHTS_NOTE, "") else "raw"):
            assert equal(taken(path, f"&weights={alias}"), EMA)
        else:
            with pytest.raises(CheckpointError, match=f"no set of weights '{alias}'"):
                registry.resolve(name_of(path, f"&weights={alias}"))
    assert ("averaged weights" in spec.extra.get(WEIGHTS_NOTE, "")) == ("ema" in form or form == "callback")


UNCLEAR: dict[str, tuple[dict[str, Any], str, str]] = {
    "mean teacher": ({"student": RAW, "teacher": EMA}, "student", "teacher"),
    "an ema that timm does not know": ({"model": RAW, "ema": EMA}, "raw", "ema"),
    "Lightning, averaged weights swapped in": ({"state_dict": EMA, "current_model_state": RAW}, "raw", "ema"),
    "Lightning, a callback": (
        {"state_dict": under("model.", RAW), "callbacks": {"EMA": {"ema_weights": under("model.", EMA)}}}, "raw", "ema",
    ),
    "one state dict": ({"state_dict": under("net.", RAW) | under("ema_net.module.", EMA)}, "raw", "ema"),
    "one state dict, a plain network first": (RAW | under("ema.", EMA), "raw", "ema"),
}  # fmt: skip


@pytest.mark.parametrize("form", UNCLEAR)
def test_where_the_meaning_is_not_clear_the_user_chooses(tmp_path: Path, form: str) -> None:
    content, raw, ema = UNCLEAR[form]
    path = saved(tmp_path / "c.pth", content)
    with pytest.raises(CheckpointError, match=rf"2 sets of weights.*weights={raw}") as caught:
        registry.resolve(name_of(path))
    assert f"weights={ema}" in str(caught.value)
    assert equal(taken(path, f"&weights={raw}"), RAW)
    assert equal(taken(path, f"&weights={ema}"), EMA)
    hashes = {registry.resolve(name_of(path, f"&weights={which}")).weights_hash for which in (raw, ema)}
    assert len(hashes) == 2


def test_two_references_to_the_same_values_are_one_set(tmp_path: Path) -> None:
    # The robustness library stores a network twice: inside the attacker and beside it.
    path = saved(tmp_path / "c.pth", {"model": under("module.model.", RAW) | under("module.attacker.model.", RAW)})
    assert equal(taken(path), RAW)
    assert registry.resolve(name_of(path)).weights_hash == file_digest(path)


def test_averaged_weights_that_do_not_fit_are_not_replaced_by_others(tmp_path: Path) -> None:
    half = {name: value for name, value in EMA.items() if "running" not in name}
    path = saved(tmp_path / "c.pth", {"state_dict": RAW, "state_dict_ema": half})
    with pytest.raises(CheckpointError, match=r"state_dict_ema, lacks \d+ entries.*weights=state_dict"):
        registry.resolve(name_of(path))
    assert equal(taken(path, "&weights=raw"), RAW)
    with pytest.raises(CheckpointError, match=r"missing \(conv1\.1\.running_mean"):
        registry.resolve(name_of(path, "&weights=state_dict_ema"))


def test_a_classifier_beside_its_encoder_belongs_to_it_if_nothing_is_between(tmp_path: Path) -> None:
    body = {name: value for name, value in RAW.items() if not name.startswith("fc.")}
    head = {name: value for name, value in RAW.items() if name.startswith("fc.")}
    path = saved(
        tmp_path / "c.pth", {"state_dict": under("backbone.", body) | head | {"criterion.weight": torch.ones(1)}}
    )
    assert equal(taken(path), RAW)
    assert "criterion.weight" in registry.resolve(name_of(path)).extra[WEIGHTS_NOTE]
    saved(path, under("model.backbone.", body) | under("model.", head))
    assert equal(taken(path), RAW)
    for beside in (head | {"neck.weight": torch.ones(3)}, {"head.weight": head["fc.weight"]}, {}):
        saved(path, under("backbone.", body) | beside)
        with pytest.raises(CheckpointError, match=r"no classifier \(fc\.weight\)"):
            registry.resolve(name_of(path))


def test_what_does_not_fit_is_named_when_the_model_is_described(tmp_path: Path) -> None:
    wrong = {name: value for name, value in RAW.items() if name not in ("bn1.weight", "fc.bias")}
    path = saved(tmp_path / "c.pth", {"state_dict": under("module.", wrong | {"bn1.bias": torch.zeros(5)})})
    with pytest.raises(CheckpointError, match=r"2 missing \(bn1\.weight, fc\.bias\).*bn1\.bias \(5,\) instead of"):
        registry.resolve(name_of(path))
    saved(path, {"encoder": {"embed.weight": torch.zeros(3, 3)}})
    with pytest.raises(CheckpointError, match=r"no state dict of test_resnet.*encoder/embed\.weight"):
        registry.resolve(name_of(path))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (RAW["fc.weight"].mul(100).to(torch.int8), "int8 instead of float32"),
        (RAW["fc.weight"].to_sparse(), r"float32 \(sparse_coo\)"),
        (RAW["fc.weight"].to(torch.complex64), "complex64 instead of float32"),
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants:UserWarning")
def test_numbers_that_would_lose_their_scale_are_refused(tmp_path: Path, value: torch.Tensor, words: str) -> None:
    path = saved(tmp_path / "c.pth", RAW | {"fc.weight": value})
    with pytest.raises(CheckpointError, match=rf"1 of another kind \(fc\.weight {words}"):
        registry.resolve(name_of(path))


def test_a_few_bytes_that_pose_as_terabytes_are_not_compared() -> None:
    sets = {name: {"w": torch.zeros(1).expand(2**20, 2**20)} for name in ("a", "b")}
    with pytest.raises(CheckpointError, match="2 sets of weights"):
        choose(sets, ["w"], (), None, "c.pth", "toy")


def test_a_file_that_refers_to_itself_ends() -> None:
    loop: dict[str, Any] = {"w": torch.zeros(1)}
    loop["again"] = {"loop": loop}
    assert choose(loop, ["w"], (), None, "c.pth", "toy").weights.name == "all"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            "?arch=timm:test_resnet&weight=ema",
            r"option 'weight=ema'.*arch=timm:NAME, weights=SET, size=SIZE, resize=N, head=FILE",
        ),
        ("?arch=timm:test_resnet&weights=", r"option 'weights='"),
        ("?arch=timm:test_resnet&weights=a&weights=b", r"option 'weights=b'.*each once"),
        ("?arch=timm:test_resnet?weights=ema", "two question marks"),
        ("?arch=timm:test_resnet&size=big", "size 'big'.*size=train"),
        ("?size=96", "option size, which is for files without a card"),
        ("?weights=ema&arch=resnet", "architecture 'resnet'"),
    ],
)
def test_options_of_a_name_are_checked(tmp_path: Path, options: str, words: str) -> None:
    path = saved(tmp_path / "c.pth", RAW)
    with pytest.raises(CheckpointError, match=words):
        registry.resolve(f"file:{path}{options}")
    assert equal(taken(path), RAW)


def test_mock_run_says_which_weights_it_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "c.pth", {"state_dict": RAW, "state_dict_ema": EMA})
    monkeypatch.setattr(registry, "load", lambda spec: pytest.fail("not asked for"))
    lines = mock_run(name_of(path), {})
    assert next(lines).name == "description"
    found = next(lines)
    assert (found.name, found.status) == ("weights", "warn")
    assert "state_dict_ema is used; state_dict with &weights=raw" in found.found


def test_a_run_says_which_weights_it_takes(tmp_path: Path) -> None:
    path = saved(tmp_path / "c.pth", {"state_dict": RAW, "state_dict_ema": EMA})
    store = Store(tmp_path / "store")
    settings = Settings(models=(name_of(path),), baselines=(), tasks=("micro-val",), store=store.location, limit=2)
    (note,) = make_plan(settings, store).notes
    assert note.startswith(f"{name_of(path)}: The file holds 2 sets of weights: state_dict_ema is used;")
