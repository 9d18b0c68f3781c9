from collections.abc import Iterator

import pytest
import torch

from vitobench.models.pretraining.clips import ClipPool, render_pool


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are faster on one thread, many times so on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def pool() -> ClipPool:
    return render_pool(64, 2, 32, 0)
