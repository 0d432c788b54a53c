"""Returns follow entries through the store, and Q finds what is worth keeping."""

import torch

from memlens.config import QConfig
from memlens.dims import Action
from memlens.training.q_learning import QLog, regress, returns
from tests.model.conftest import SMALL

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
    assert float(total[0, 0, 1]) == float(total[0, 0, 4]) == 1.5


def test_n_step_with_true_values_is_the_return() -> None:
    log = log_of(6)
    log.action[:, 0, N_CANDIDATES] = int(Action.STORE)
    log.destination[:, 0, N_CANDIDATES] = 0
    log.reward[:, 0, N_CANDIDATES] = torch.tensor([0.0, 1.0, 0.0, 2.0, 0.0, 1.0])
    whole = returns(log, gamma=0.9)
    nstep = returns(log, gamma=0.9, n_step=2, bootstrap=whole)
    torch.testing.assert_close(whole[:4], nstep[:4])


def test_q_learns_which_feature_pays() -> None:
    """An entry is worth 1 nat when stored, if its first feature is above a half; dropping earns nothing."""
    from memlens.model import MemoryModel
    from memlens.model.controller import control_names

    torch.manual_seed(0)
    model = MemoryModel(SMALL)
    n_control = len(control_names(SMALL))
    log = log_of(40)
    g = torch.Generator().manual_seed(1)
    control = torch.rand(*log.action.shape, n_control, generator=g)
    stored = torch.rand(log.action[..., :N_CANDIDATES].shape, generator=g) < 0.5
    entry = torch.arange(N_CANDIDATES).expand_as(stored)
    log.action[..., :N_CANDIDATES] = torch.where(stored, int(Action.STORE), int(Action.DISCARD))
    log.destination[..., :N_CANDIDATES] = torch.where(stored, entry, -1)
    log.live[..., N_CANDIDATES:] = False
    pays = (control[..., :N_CANDIDATES, 0] > 0.5) & stored
    log.reward[1:, :, N_CANDIDATES : 2 * N_CANDIDATES] = pays[:-1].float()
    log = QLog(**{**log.__dict__, "control": control})
    regress(
        model,
        [log],
        QConfig(steps=300, batch=256, gamma=1.0, learning_rate=1e-3, content_noise=0.5),
        g,
        bootstrap=False,
    )
    with torch.no_grad():
        q = model.controller.q_network(control[:-1, :, :N_CANDIDATES], log.content[:-1, :, :N_CANDIDATES].float())
    gain = q[..., Action.STORE] - q[..., Action.DISCARD]
    good = control[:-1, :, :N_CANDIDATES, 0] > 0.5
    assert float(gain[good].mean()) > 0.6
    assert float(gain[~good].mean()) < 0.4
