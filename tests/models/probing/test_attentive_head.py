import numpy as np
import pytest
import torch

from vitobench.errors import VitobenchError
from vitobench.models.probing.fitting import fit_attentive, heads_for, train_attentive
from vitobench.models.probing.heads import AttentiveHead


def head_for(width: int = 6, classes: int = 3, heads: int = 2) -> AttentiveHead:
    torch.manual_seed(0)
    head = AttentiveHead(width, classes, heads).double()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return head


def normalised(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * weight + bias


def test_it_is_the_formula_of_cross_attention() -> None:
    head = head_for()
    tokens = torch.randn(4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    p = {name: value.detach().numpy() for name, value in head.named_parameters()}
    x = normalised(tokens.numpy(), p["before.weight"], p["before.bias"])
    rows = [slice(0, 6), slice(6, 12), slice(12, 18)]
    q, k, v = (
        s @ p["attention.in_proj_weight"][r].T + p["attention.in_proj_bias"][r]
        for s, r in zip((p["query"][0], x, x), rows, strict=True)
    )
    parts = []
    for part in (slice(0, 3), slice(3, 6)):
        scores = np.einsum("qc,ntc->nt", q[:, part], k[..., part]) / np.sqrt(3)
        share = np.exp(scores - scores.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        parts.append(np.einsum("nt,ntc->nc", share, v[..., part]))
    gathered = np.concatenate(parts, 1) @ p["attention.out_proj.weight"].T + p["attention.out_proj.bias"]
    pooled = normalised(gathered, p["after.weight"], p["after.bias"])
    expected = pooled @ p["linear.weight"].T + p["linear.bias"]
    torch.testing.assert_close(head(tokens), torch.from_numpy(expected))
    torch.testing.assert_close(head.pool(tokens), torch.from_numpy(pooled))


def test_the_order_of_tokens_does_not_matter_but_their_content_does() -> None:
    head = head_for()
    tokens = torch.randn(2, 9, 6, dtype=torch.float64)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(head(tokens[:, order]), head(tokens))
    changed = tokens.clone()
    changed[:, 0] += torch.randn(6, dtype=torch.float64)
    assert not torch.allclose(head(changed), head(tokens))


def test_gradients_are_right() -> None:
    head = head_for()
    tokens = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(head, (tokens,))
    head(tokens).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_heads_divide_the_channels() -> None:
    assert [heads_for(c) for c in (192, 2048, 6, 100, 130)] == [3, 32, 1, 1, 2]
    with pytest.raises(VitobenchError, match="do not divide"):
        AttentiveHead(10, 2, 3)


def test_it_finds_the_one_token_that_tells_the_class() -> None:
    """One of eight tokens is marked and carries the class; the others carry classes at random."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (1000,), generator=rng)
    shown = torch.randint(0, 4, (1000, 8), generator=rng)
    rows, place = torch.arange(1000), torch.randint(0, 8, (1000,), generator=rng)
    shown[rows, place] = labels
    codes = torch.randn(5, 64, generator=rng)
    tokens = codes[shown]
    tokens[rows, place] += 2 * codes[4]
    head, facts = fit_attentive(tokens[:800], labels[:800], 4, decays=(0.1, 0.01), epochs=20, rates=(1e-3,))
    with torch.no_grad():
        accuracy = float((head(tokens[800:]).argmax(1) == labels[800:]).float().mean())
        shuffled = float((head(tokens[800:].flip(0)).argmax(1) == labels[800:]).float().mean())
    assert accuracy > 0.95
    assert shuffled < 0.5
    assert facts["weight_decay"] in (0.1, 0.01)
    assert facts["validation_accuracy"] > 0.9
    again = train_attentive(tokens[:800], labels[:800], 4, facts["weight_decay"], epochs=20)
    assert all(torch.equal(a, b) for a, b in zip(head.parameters(), again.parameters(), strict=True))


def test_the_learning_rate_is_chosen_on_a_fifth_of_the_images() -> None:
    rng = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (200,), generator=rng)
    tokens = torch.randn(200, 4, 8, generator=rng) + 0.5 * torch.randn(3, 1, 8, generator=rng)[labels]
    held, rates = torch.arange(200) % 5 == 4, (1e-5, 1e-2, 1e-4)
    scores = []
    for rate in rates:
        head = train_attentive(tokens[~held], labels[~held], 3, 0.1, epochs=3, rate=rate)
        with torch.no_grad():
            scores.append(float((head(tokens[held]).argmax(1) == labels[held]).float().mean()))
    assert len(set(scores)) > 1
    _, facts = fit_attentive(tokens, labels, 3, decays=(0.1,), epochs=3, rates=rates)
    assert facts["learning_rate"] == rates[scores.index(max(scores))]
    assert facts["validation_accuracy"] == pytest.approx(max(scores), abs=1e-4)
