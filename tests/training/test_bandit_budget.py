"""The budget task by itself: who holds what, and a controller that learns it, with the machinery of the real one."""

import pytest
import torch

from memlens.config import QConfig
from memlens.dims import Action
from memlens.model.controller import Controller
from memlens.training.bandit_budget import CFG, N_KIND, N_VALUE, RULES, draw_candidates, is_relevant, learn_bandit, play

CONFIG = QConfig(
    rounds=3, monte_carlo=1, behaviour="random", n_stream=64, gamma=0.99, epsilon=0.3, epsilon_last=0.05, n_step=3,
    steps=200, batch=512, refresh=50, soft_target=0.02, content_noise=0.5, learning_rate=3e-3, check=50,
)  # fmt: skip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def controller() -> Controller:
    torch.manual_seed(0)
    return Controller(CFG)


def test_one_combination_in_eight_is_relevant_under_every_rule() -> None:
    every = torch.cartesian_prod(*(torch.arange(N_VALUE),) * N_KIND)
    rules = torch.stack([is_relevant(every, rule) for rule in range(RULES)])
    assert (rules.sum(1) == len(every) // 8).all()
    assert (rules.sum(0) == 1).all(), "the rules share the combinations out"


def test_draws_hold_just_as_many_relevant_ones_at_any_place() -> None:
    drawn = draw_candidates(400, 64, 8, 3, generator())
    assert (drawn.relevant.sum(1) == 8).all()
    by_place = drawn.relevant.float().mean(0)
    assert float((by_place - 1 / 8).abs().max()) < 0.08
    again = draw_candidates(400, 64, 8, 3, generator())
    assert torch.equal(drawn.content, again.content)


@pytest.mark.parametrize("policy", ["fifo", "lru", "random", "reservoir", "importance", "store_all"])
def test_heuristics_keep_an_eighth_and_fill_the_store(controller: Controller, policy: str) -> None:
    drawn = draw_candidates(400, 64, 8, 0, generator())
    controller.policy = policy
    played = play(controller, drawn, CONFIG, generator())
    assert (played.held.sum(1) == 8).all()
    assert played.log.accuracy == pytest.approx(1 / 8, abs=0.03)
    if policy in ("fifo", "lru"):
        assert played.held[:, -8:].all()


def test_the_oracle_keeps_everything_relevant_and_earns_a_nat_for_each(controller: Controller) -> None:
    drawn = draw_candidates(20, 64, 8, 1, generator())
    played = play(controller, drawn, CONFIG, generator(), oracle=True)
    assert torch.equal(played.held, drawn.relevant)
    assert played.log.accuracy == 1 and float(played.log.reward.sum()) == pytest.approx(20 * 8, rel=1e-6)
    assert not bool(((played.log.action == Action.COMPRESS) | (played.log.action == Action.RETRIEVE)).any())


def test_learns_the_rule_and_falls_to_chance_when_its_state_is_shuffled(controller: Controller) -> None:
    rows = learn_bandit(controller, CONFIG, 2, 64, generator())
    assert rows[-1]["exact_validation"] > 0.95
    fresh = draw_candidates(200, 64, 8, 2, generator(9))
    played = play(controller, fresh, CONFIG, generator())
    assert played.log.accuracy > 0.95
    assert play(controller, draw_candidates(200, 64, 8, 7, generator(9)), CONFIG, generator()).log.accuracy < 0.125
    shuffled = play(controller, fresh, CONFIG, generator(), shuffled=True)
    assert shuffled.log.accuracy < 0.125 + 0.05
    gain = played.q[..., Action.STORE] - played.q[..., Action.DISCARD]
    assert float(gain[fresh.relevant].mean()) > 0.5 > 0.1 > float(gain[~fresh.relevant].mean())
