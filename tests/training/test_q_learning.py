"""Returns follow entries through the store, and Q finds what is worth keeping."""

import numpy as np
import pytest
import torch

from memlens.config import QConfig, StreamConfig
from memlens.dims import Action
from memlens.model import MemoryModel
from memlens.model.controller import Controller, QNetwork, control_names
from memlens.model.losses import answer_loss
from memlens.model.state import Memory
from memlens.streams import default_tokenizer
from memlens.training import entry_value
from memlens.training.q_learning import QLog, regress, replay_weights, returns
from memlens.training.q_phase import learn, learn_control, streams_of, with_capacities
from tests.model.conftest import SMALL, make_questions, make_segment

N_CANDIDATES, N_ENTRIES = SMALL.n_slots, sum(SMALL.capacities)
N_CONTROL = 16


def log_of(n_segment: int, seed: int = 0) -> QLog:
    """Nothing happens: every agent is dropped at once."""
    g = torch.Generator().manual_seed(seed)
    shape = (n_segment, 1, N_CANDIDATES + N_ENTRIES)
    return QLog(
        content=torch.randn(*shape, SMALL.d_model, generator=g).half(),
        control=torch.rand(*shape, N_CONTROL, generator=g),
        action=torch.full(shape, int(Action.DISCARD)),
        destination=torch.full(shape, -1),
        live=torch.ones(shape, dtype=torch.bool),
        allowed=torch.ones(*shape, 4, dtype=torch.bool),
        reward=torch.zeros(shape),
        rent=torch.zeros(shape),
        n_candidates=N_CANDIDATES,
        merge=2,
        accuracy=0.0,
    )


def test_return_follows_the_entry() -> None:
    log = log_of(5)
    # candidate 3 is stored at entry 2 in segment 0, kept there, and earns 2 nats in segment 3
    log.action[0, 0, 3], log.destination[0, 0, 3], log.rent[0, 0, 3] = int(Action.STORE), 2, 0.1
    for t in (1, 2):
        log.action[t, 0, N_CANDIDATES + 2], log.destination[t, 0, N_CANDIDATES + 2] = int(Action.STORE), 2
        log.rent[t, 0, N_CANDIDATES + 2] = 0.1
    log.reward[3, 0, N_CANDIDATES + 2] = 2.0
    total = returns(log, gamma=0.5)
    expected = -0.1 + 0.5 * (-0.1 + 0.5 * (-0.1 + 0.5 * 2.0))
    assert abs(float(total[0, 0, 3]) - expected) < 1e-6
    assert float(total.abs().sum()) > 0 and float(total[3].abs().sum()) == 0


def test_parents_share_what_a_merge_earns() -> None:
    log = log_of(3)
    for agent in (1, 4):
        log.action[0, 0, agent], log.destination[0, 0, agent] = int(Action.COMPRESS), 7
    log.reward[1, 0, N_CANDIDATES + 7] = 3.0
    total = returns(log, gamma=1.0)
    assert total[0, 0, [1, 4]].tolist() == pytest.approx([1.5, 1.5], rel=1e-6)


def test_n_step_with_true_values_is_the_return() -> None:
    log = log_of(6)
    log.action[:, 0, N_CANDIDATES] = int(Action.STORE)
    log.destination[:, 0, N_CANDIDATES] = 0
    log.reward[:, 0, N_CANDIDATES] = torch.tensor([0.0, 1.0, 0.0, 2.0, 0.0, 1.0])
    whole = returns(log, gamma=0.9)
    nstep = returns(log, gamma=0.9, n_step=2, bootstrap=whole)
    torch.testing.assert_close(whole[:4], nstep[:4])


def test_replay_weighs_actions_and_kinds_of_agents_alike() -> None:
    log = log_of(6)
    log.action[:, 0, :3], log.action[:, 0, N_CANDIDATES] = int(Action.STORE), int(Action.STORE)
    log.live[2, 0, 5] = False
    weight = replay_weights(log)
    candidate = torch.arange(weight.shape[-1]) < N_CANDIDATES
    for action in (Action.STORE, Action.DISCARD):
        for group in (candidate, ~candidate):
            assert float(weight[(log.action == action) & group].sum()) == pytest.approx(1)
    assert float(weight[-1].sum()) == 0 and float(weight[2, 0, 5]) == 0


def paying_log() -> QLog:
    """An entry is worth 1 nat when stored, if its first feature is above a half; dropping earns nothing."""
    log = log_of(40)
    g = torch.Generator().manual_seed(1)
    control = torch.rand(*log.action.shape, len(control_names(SMALL)), generator=g)
    stored = torch.rand(log.action[..., :N_CANDIDATES].shape, generator=g) < 0.5
    entry = torch.arange(N_CANDIDATES).expand_as(stored)
    log.action[..., :N_CANDIDATES] = torch.where(stored, int(Action.STORE), int(Action.DISCARD))
    log.destination[..., :N_CANDIDATES] = torch.where(stored, entry, -1)
    log.live[..., N_CANDIDATES:] = False
    pays = (control[..., :N_CANDIDATES, 0] > 0.5) & stored
    log.reward[1:, :, N_CANDIDATES : 2 * N_CANDIDATES] = pays[:-1].float()
    return QLog(**{**log.__dict__, "control": control})


@pytest.mark.parametrize("bootstrap", [False, True])
def test_q_learns_which_feature_pays(bootstrap: bool) -> None:
    torch.manual_seed(0)
    network, log = QNetwork(SMALL), paying_log()
    config = QConfig(steps=400, batch=256, gamma=1.0, learning_rate=3e-3, content_noise=0.5, soft_target=0.02, n_step=2)
    regress(network, [log], config, torch.Generator().manual_seed(1), bootstrap=bootstrap)
    fresh = log.control[:-1, :, :N_CANDIDATES], log.content[:-1, :, :N_CANDIDATES].float()
    with torch.no_grad():
        q = network(*fresh)
    gain = q[..., Action.STORE] - q[..., Action.DISCARD]
    good = fresh[0][..., 0] > 0.5
    assert float(gain[good].mean()) > 0.6
    assert float(gain[~good].mean()) < 0.4


def test_the_best_q_is_kept_and_rounds_end_early() -> None:
    """Recall on validation is what is kept, whatever the loss says: here the second check is the best of all."""
    torch.manual_seed(0)
    controller, log = Controller(SMALL), paying_log()
    told = iter([0.5, 0.9, 0.7, 0.8, 0.85, 0.6, 0.7])
    seen: list[torch.Tensor] = []

    def recall() -> float:
        assert controller.policy == "learned"
        seen.append(controller.q_network.value.weight.detach().clone())
        return next(told)

    acted = []

    def collect(epsilon: float) -> QLog:
        acted.append((controller.policy, round(epsilon, 3)))
        return log

    config = QConfig(rounds=2, monte_carlo=1, steps=40, check=10, patience=2, batch=32, epsilon=0.3, epsilon_last=0.1)
    rows = learn(controller, config, torch.Generator().manual_seed(0), collect, recall)
    assert acted == [("importance", 0.3), ("learned", 0.1)]
    assert [row["q_updates"] for row in rows] == [40, 30]
    assert [row["exact_validation"] for row in rows] == [0.9, 0.85]
    assert torch.equal(controller.q_network.value.weight, seen[1])
    assert controller.policy == "learned"


def test_streams_are_dealt_by_their_shares() -> None:
    model = MemoryModel(SMALL, default_tokenizer())
    tasks = (StreamConfig(share=1.0), StreamConfig(name="needle", share=3.0, options={"n_fact": 4}))
    config = QConfig(tasks=tasks, n_token=1000)
    made = streams_of(model, config, 4, "train", np.random.default_rng(0))
    assert [stream.name for stream in made] == ["builtin", "needle", "needle", "needle"]
    assert {stream.config["split"] for stream in made} == {"train"}
    assert len({stream.sha256 for stream in made}) == 4


def test_learning_to_control_changes_the_controller_alone() -> None:
    torch.manual_seed(0)
    model = MemoryModel(SMALL, default_tokenizer())
    before = {name: x.clone() for name, x in model.state_dict().items()}
    state = torch.get_rng_state()
    config = QConfig(
        rounds=2, tasks=(StreamConfig(name="needle", options={"n_fact": 6}),), n_stream=2, n_token=600, n_validation=1,
        room=3, steps=4, check=2, batch=32, n_step=2, soft_target=0.5,
    )  # fmt: skip
    rows = learn_control(model, config, [0, 1])
    assert [row["q_round"] for row in rows] == [0, 1]
    changed = {name for name, x in model.state_dict().items() if not torch.equal(x, before[name])}
    assert changed and all(name.startswith("controller.q_network.") for name in changed)
    assert model.controller.policy == "learned" and model.training
    assert torch.equal(torch.get_rng_state(), state)


def test_other_capacities_hold_more_and_read_the_same() -> None:
    torch.manual_seed(0)
    model = MemoryModel(SMALL, default_tokenizer()).eval()
    model.controller.policy = "importance"
    narrow = with_capacities(model, (2, 2, 2))
    assert narrow.cfg.capacities == (2, 2, 2) and narrow.policy_name == "importance"
    with torch.no_grad():
        (a, after), (b, few) = (
            each.step(make_segment(1), each.initial_state(2), make_questions(1)) for each in (model, narrow)
        )
    assert a.answers is not None and b.answers is not None
    torch.testing.assert_close(a.answers.loss, b.answers.loss)
    assert few.store.valid[:, :2].all() and int(few.store.valid[:, :2].sum()) < int(after.store.valid[:, :6].sum())


def test_worth_is_what_hiding_an_entry_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave-one-out by brute force: every entry hidden in turn, all questions asked again."""
    monkeypatch.setattr(entry_value, "MAX_LOSS", 50.0)  # an untrained model loses more than a loss counts
    torch.manual_seed(0)
    model = with_capacities(MemoryModel(SMALL, default_tokenizer()), (20, 4, 2))
    model.controller.policy = "store_all"
    questions = make_questions(3)
    with torch.no_grad():
        _, state = model.step(make_segment(1), model.initial_state(2))
        _, context, _ = model.perceive(make_segment(2), state)
        memory = model.memory(model.candidates(context, state), state)
        answers, _ = model.answer(questions, memory)
        found = entry_value.leave_one_out(model, questions, memory, answers)

        def loss(memory: Memory) -> torch.Tensor:
            read, m_q, there = model.read(questions, memory)
            return answer_loss(model.decode(questions.answer, read, m_q, there), questions.answer)

        for n in range(memory.prior.shape[1]):
            valid = memory.valid.clone()
            valid[:, n] = False
            expected = (loss(Memory(**{**memory.__dict__, "valid": valid})) - loss(memory)).sum(1)
            torch.testing.assert_close(found[:, n], torch.where(memory.valid[:, n], expected, 0.0), atol=1e-4, rtol=0)
    assert float(found.abs().max()) > 1e-3
