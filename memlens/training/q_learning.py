"""How the controller learns: runs of the frozen memory are logged, and Q is regressed on what entries turned out to be worth.

A log holds, for each segment, the features of every agent, the action taken, where the agent went, and what it earned at the
questions of the next segments. From it come Monte-Carlo returns (phase B) and n-step double-DQN targets (phase C).

Axes are those of ``memlens.dims``; agents are the candidates of a segment, then the entries of the store.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from memlens.config import ModelConfig, QConfig
from memlens.dims import Action
from memlens.errors import TrainingError
from memlens.model.controller import QNetwork
from memlens.model.entries import Decisions

#: Added to the Q of an action, it forces that action: returns are a few nats.
FORCE = 100.0
WEIGHT_DECAY = 1e-3


@dataclass(frozen=True)
class QLog:
    """What every agent was like and earned in every segment.

    Attributes
    ----------
    content : float16 [segment, sequence, agent, feature]
    control : float [segment, sequence, agent, control]
    action, destination : int64 [segment, sequence, agent]
        Executed action, and the entry of the store that the agent ended up in, -1 for none.
    live : bool [segment, sequence, agent]
    allowed : bool [segment, sequence, agent, action]
    reward : float [segment, sequence, agent]
        Value earned in a segment by an agent that was there when it began, nats.
    rent : float [segment, sequence, agent]
        Cost of holding it until the next segment, nats.
    n_candidates : int
        Agents that are fresh slots: they come first.
    merge : int
        Entries that become one.
    accuracy : float
        Share of questions answered exactly while logging.
    """

    content: Tensor
    control: Tensor
    action: Tensor
    destination: Tensor
    live: Tensor
    allowed: Tensor
    reward: Tensor
    rent: Tensor
    n_candidates: int
    merge: int
    accuracy: float


class QLogger:
    """Collects a log, segment by segment, on the CPU."""

    COLUMNS = ("content", "control", "action", "destination", "live", "allowed", "reward", "rent")

    def __init__(self, cfg: ModelConfig, entry_level: Tensor, config: QConfig):
        self.cfg, self.entry_level = cfg, entry_level.cpu()
        self.rent = torch.tensor([config.rent * config.rent_decay**i for i in range(len(cfg.capacities))])
        self.columns: dict[str, list[Tensor]] = {name: [] for name in self.COLUMNS}

    def add(self, content: Tensor, decisions: Decisions, reward: Tensor) -> None:
        """Add one segment.

        Parameters
        ----------
        content : float [sequence, agent, feature]
        decisions : Decisions
        reward : float [sequence, agent]
            Nats.
        """
        decisions = decisions.to("cpu")
        landed = decisions.destination
        share = torch.where(decisions.action == Action.COMPRESS, 1 / self.cfg.merge, 1.0)
        held = self.entry_level[landed.clamp_min(0)]
        rent = torch.where(landed >= 0, self.rent[held] * share, 0.0)
        values = (
            content.half().cpu(),
            decisions.control,
            decisions.action,
            landed,
            decisions.entry >= 0,
            decisions.allowed,
        )
        for name, value in zip(self.COLUMNS, (*values, reward.cpu(), rent), strict=True):
            self.columns[name].append(value)

    def log(self, accuracy: float) -> QLog:
        """The log of all segments so far."""
        stacked = {name: torch.stack(column) for name, column in self.columns.items()}
        return QLog(**stacked, n_candidates=self.cfg.n_slots, merge=self.cfg.merge, accuracy=accuracy)


def exploration(n_sequence: int, n_candidate: int, n_entry: int, epsilon: float, generator: torch.Generator) -> Tensor:
    """Draw what to add to Q so that an agent takes a random action now and then.

    Parameters
    ----------
    n_sequence, n_candidate, n_entry : int
    epsilon : float
        Probability of a random action of a candidate. That of a resident is a tenth: it decides again in every segment, so with the same
        rate none would grow old.
    generator : torch.Generator

    Returns
    -------
    float [sequence, agent, action]
    """
    rate = torch.full((n_candidate + n_entry,), epsilon / 10)
    rate[:n_candidate] = epsilon
    chance = torch.rand(n_sequence, n_candidate + n_entry, generator=generator) < rate
    forced = torch.randint(len(Action), chance.shape, generator=generator)
    return F.one_hot(forced, len(Action)).float() * chance[..., None] * FORCE


def returns(log: QLog, gamma: float, n_step: int | None = None, bootstrap: Tensor | None = None) -> Tensor:
    """Discounted return of every logged decision.

    G_t = -rent + gamma (r_{t+1} + G_{t+1}) along the entry's way through the store; a parent gets 1 / m of what its merge earns.

    Parameters
    ----------
    log : QLog
    gamma : float
        Discount per segment.
    n_step : int, optional
        Segments after which the return is replaced by ``bootstrap``; never when not given.
    bootstrap : float [segment, sequence, agent], optional
        Value of the best action of every agent, nats.

    Returns
    -------
    float [segment, sequence, agent]
        Nats.
    """
    share = torch.where(log.action == Action.COMPRESS, 1 / log.merge, 1.0)
    index = log.destination.clamp_min(0) + log.n_candidates
    kept = log.destination >= 0

    def backed_up(value: Tensor, t: int | slice) -> Tensor:
        """Return of the decisions of segment(s) ``t``, from the value of each agent one segment later."""
        after = value.gather(-1, index[t])
        return torch.where(kept[t], gamma * share[t] * after - log.rent[t], 0.0)

    total = torch.zeros_like(log.reward)
    if n_step is None:
        for t in range(len(total) - 2, -1, -1):
            total[t] = backed_up(log.reward[t + 1] + total[t + 1], t)
        return total
    assert bootstrap is not None
    value = bootstrap
    for _ in range(n_step):
        value = backed_up(torch.cat(((log.reward + value)[1:], total[:1])), slice(None))
    return value


@torch.no_grad()
def q_values(log: QLog, network: QNetwork) -> Tensor:
    """Q of every action of every logged agent.

    Parameters
    ----------
    log : QLog
    network : QNetwork

    Returns
    -------
    float [segment, sequence, agent, action]
        Nats; -inf where an action was not allowed.
    """
    device, out = network.norm.gain.device, []
    for control, content in zip(log.control, log.content, strict=True):
        out.append(network(control.to(device), content.to(device).float()).cpu())
    return torch.stack(out).masked_fill(~log.allowed, -math.inf)


def _target_value(log: QLog, online: QNetwork, target: QNetwork) -> Tensor:
    """Double-DQN value of each agent's state: the target's Q of the action that the online network prefers; 0 at the stream's end."""
    value = q_values(log, target).gather(-1, q_values(log, online).argmax(-1, keepdim=True)).squeeze(-1)
    value[-1] = 0
    return torch.where(log.live, value, 0.0)


def replay_weights(log: QLog) -> Tensor:
    """How often each logged decision is drawn, float [segment, sequence, agent].

    All actions are drawn equally often, and of each action candidates and residents equally often. Decisions of the last segment are never
    drawn: what they led to was not seen.
    """
    weight = log.live.float()
    weight[-1] = 0
    candidate = torch.arange(weight.shape[-1]) < log.n_candidates
    for action in Action:
        for group in (candidate, ~candidate):
            here = (log.action == action) & group
            weight = torch.where(here, weight / (weight * here).sum().clamp_min(1), weight)
    return weight


def regress(
    network: QNetwork,
    logs: Sequence[QLog],
    config: QConfig,
    generator: torch.Generator,
    *,
    bootstrap: bool,
    check: Callable[[int, float], bool] | None = None,
) -> float:
    """Fit Q to returns by Huber loss: Monte-Carlo returns, or n-step double DQN.

    Parameters
    ----------
    network : QNetwork
        Both the target network and what is learned: it follows, softly, a copy that takes the updates, and so is an average over many of
        them (Polyak and Juditsky 1992).
    logs : sequence of QLog
    config : QConfig
    generator : torch.Generator
    bootstrap : bool
        Whether targets are n-step double DQN.
    check : callable, optional
        Called with the number of updates done and the mean loss every ``config.check`` updates; False ends it early.

    Returns
    -------
    float
        Moving average of the loss, nats.

    Raises
    ------
    TrainingError
        When the loss is not finite.
    """
    online, device = copy.deepcopy(network), network.norm.gain.device
    optimiser = torch.optim.AdamW(online.parameters(), lr=config.learning_rate, weight_decay=WEIGHT_DECAY)
    flat = [(replay_weights(log).flatten(), log.content.flatten(0, 2), log.control.flatten(0, 2)) for log in logs]
    mean = 0.0
    goal: list[Tensor] = [returns(log, config.gamma).flatten() for log in logs]
    for step in range(config.steps):
        which = int(torch.randint(len(logs), (1,), generator=generator))
        if bootstrap and step % config.refresh == 0:
            goal = [
                returns(log, config.gamma, config.n_step, _target_value(log, online, network)).flatten() for log in logs
            ]
        weight, content, control = flat[which]
        index = torch.multinomial(weight, config.batch, replacement=True, generator=generator)
        q = online(control[index].to(device), content[index].to(device).float(), config.content_noise)
        taken = q.gather(-1, logs[which].action.flatten()[index, None].to(device)).squeeze(-1)
        loss = F.huber_loss(taken, goal[which][index].to(device))
        if not bool(torch.isfinite(loss)):
            raise TrainingError(f"Q loss is {loss.item()} at step {step} of a Q phase; lower its learning_rate")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            for new, slow in zip(online.parameters(), network.parameters(), strict=True):
                slow.lerp_(new, config.soft_target)
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        done = step + 1
        if check is not None and (done % config.check == 0 or done == config.steps) and not check(done, mean):
            break
    return mean
