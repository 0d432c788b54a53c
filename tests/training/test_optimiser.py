"""Which weights are updated by what, and that what an optimiser remembers can be put back."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from memlens.config import TrainConfig
from memlens.training.optimiser import Optimiser


class Net(nn.Module):
    """A wide matrix, a narrow one, an embedding and a gain."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(32, 24)
        self.narrow = nn.Linear(32, 2)
        self.embedding = nn.Embedding(50, 32)
        self.gain = nn.Parameter(torch.ones(32))


@pytest.fixture
def net() -> Iterator[Net]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield Net()


def push(net: Net, optimiser: Optimiser, seed: int, share: float = 1.0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for p in net.parameters():
        p.grad = torch.randn(p.shape, generator=generator)
    optimiser.step(share)


def test_the_update_of_a_wide_matrix_has_singular_values_alike(net: Net) -> None:
    config = TrainConfig(weight_decay=0.0)
    optimiser = Optimiser(net, list(net.parameters()), config)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    push(net, optimiser, 1)
    step = {name: (p.detach() - before[name]) for name, p in net.named_parameters()}
    values = torch.linalg.svdvals(step["wide.weight"])
    # of a random gradient they would be spread over more than a factor of ten
    assert values.max() / values.min() < 3
    assert values.mean() == pytest.approx(config.matrix_rate * 0.2 * 32**0.5, rel=0.3)
    for name in ("narrow.weight", "embedding.weight", "gain", "wide.bias"):
        # the first step of AdamW is the sign of the gradient
        assert torch.allclose(step[name].abs(), torch.full_like(step[name], config.learning_rate), rtol=1e-3)


def test_no_rate_no_step(net: Net) -> None:
    optimiser = Optimiser(net, list(net.parameters()), TrainConfig())
    before = [p.detach().clone() for p in net.parameters()]
    push(net, optimiser, 1, share=0.0)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_what_it_remembers_can_be_put_back(net: Net) -> None:
    config = TrainConfig()
    one = Optimiser(net, list(net.parameters()), config)
    push(net, one, 1)
    weights = {k: v.clone() for k, v in net.state_dict().items()}
    kept = {k: v.clone() for k, v in one.flat().items()}
    push(net, one, 2)
    there = {k: v.clone() for k, v in net.state_dict().items()}
    net.load_state_dict(weights)
    other = Optimiser(net, list(net.parameters()), config)
    other.fill(kept)
    push(net, other, 2)
    assert all(torch.equal(there[k], v) for k, v in net.state_dict().items())


def test_a_model_of_narrow_parts_needs_no_muon() -> None:
    part = nn.Linear(4, 4)
    assert len(Optimiser(part, list(part.parameters()), TrainConfig()).parts) == 1
