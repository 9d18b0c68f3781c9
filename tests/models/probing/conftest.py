from collections.abc import Iterator
from functools import partial

import pytest
import torch

from vitobench.models.model import Model
from vitobench.models.networks import build
from vitobench.models.probing import probe as probe_module
from vitobench.models.probing.data import ProbeData, open_data
from vitobench.models.probing.fitting import fit_attentive
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.models.state_dicts import tensors_digest


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are faster on one thread, many times so on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def micro_model() -> Model:
    """An untrained network whose batch norms have seen images, so that its features vary."""
    torch.manual_seed(0)
    network = build("micro-resnet8/attention-2scale", 16)
    with torch.no_grad():
        network.train()(torch.randn(32, 3, 64, 64))
    weights_hash = tensors_digest(network.state_dict())
    spec = ModelSpec(
        "tiny", "file", "micro-resnet8/attention-2scale", Preprocessing(64, 64), "microworld-16", weights_hash
    )
    return Model(spec, network)


@pytest.fixture(scope="session")
def small_data() -> ProbeData:
    return open_data("microworld", 128, 32)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attentive heads are trained for a moment only, where it is not their quality that is tested."""
    monkeypatch.setattr(probe_module, "fit_attentive", partial(fit_attentive, epochs=2, decays=(0.1,), rates=(1e-3,)))
