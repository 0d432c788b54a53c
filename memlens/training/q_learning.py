"""How the controller learns: runs of the frozen memory are logged, and Q is regressed on what entries turned out to be worth.

A log holds, for each segment, what every agent looked like, what was done with it, where it went, and what it earned at the
questions asked of the next segments. From it come Monte-Carlo returns (phase B) and n-step double-DQN targets (phase C).
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from memlens.config import QConfig
from memlens.dims import Action
from memlens.errors import TrainingError
from memlens.model.controller import QNetwork
from memlens.model.model import MemoryModel
from memlens.model.outputs import Segment
from memlens.model.run import Encoded, encode_questions, segment_of
from memlens.training.worth import entry_worth


@dataclass(frozen=True)
class QLog:
    """T segments of B sequences with A agents each, and the K candidates that come first among them.

    content (T, B, A, d), control (T, B, A, C), action, destination int64 (T, B, A), live bool (T, B, A), allowed bool (T, B, A, 4);
    reward (T, B, A): worth earned in segment t by an agent that was there when it began, nats; rent (T, B, A): what holding it
    until the next segment costs; accuracy: share of questions answered exactly while logging.
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


@torch.no_grad()
def collect(
    model: MemoryModel, streams: Sequence[Encoded], config: QConfig, epsilon: float, generator: torch.Generator
) -> QLog:
    """Run the model under its present policy with exploration, and log.

    With probability ``epsilon`` a candidate, and epsilon / 10 a resident, takes a uniformly random action: a resident decides at
    every segment again, so that the same rate would let none grow old.
    """
    length, n_candidates = model.cfg.segment_length, model.cfg.n_slots
    n_agents = n_candidates + len(model.entry_level)
    n_working = model.cfg.working_slots
    state = model.initial_state(len(streams))
    columns: dict[str, list[Tensor]] = {
        k: [] for k in ("content", "control", "action", "destination", "live", "allowed", "reward", "rent")
    }
    right, asked_in_all = 0, 0
    rent_of_level = torch.tensor([config.rent * config.rent_decay**i for i in range(len(model.cfg.capacities))])
    rate = torch.full((n_agents,), epsilon / 10)
    rate[:n_candidates] = epsilon
    for t in range(max(stream.n_segment(length) for stream in streams)):
        rows, asked = zip(*(segment_of(stream, t, length) for stream in streams), strict=True)
        segment, questions = Segment.stack(list(rows)), encode_questions(model, asked)
        chance = torch.rand(len(streams), n_agents, generator=generator) < rate
        forced = torch.randint(len(Action), chance.shape, generator=generator)
        explore = F.one_hot(forced, len(Action)).float() * chance[..., None] * 10.0
        before = state
        outputs, state = model.step(segment, state, questions, explore=explore, predict=False)
        decisions = outputs.decisions
        reward = torch.zeros(decisions.entry.shape)
        if questions is not None and outputs.answers is not None:
            _, context, _ = model.perceive(segment, before)
            memory = model.memory(model.candidates(context, before), before)
            index, worth = entry_worth(model, questions, memory, outputs.answers)
            earned = torch.zeros_like(memory.prior).scatter_add(1, index.flatten(1), worth.flatten(1).float())
            reward[:, n_candidates:] = earned[:, n_candidates + n_working :]
            right += int(outputs.answers.correct.sum())
            asked_in_all += int(questions.valid.sum())
        landed = decisions.destination
        held = model.entry_level[landed.clamp_min(0)]
        share = torch.where(decisions.action == Action.COMPRESS, 1 / model.cfg.merge, 1.0)
        columns["content"].append(torch.cat((outputs.slot, before.store.content), 1).half())
        columns["control"].append(decisions.control)
        columns["action"].append(decisions.action)
        columns["destination"].append(landed)
        columns["live"].append(decisions.entry >= 0)
        columns["allowed"].append(decisions.allowed)
        columns["reward"].append(reward)
        columns["rent"].append(torch.where(landed >= 0, rent_of_level[held] * share, 0.0))
    stacked = {k: torch.stack(v) for k, v in columns.items()}
    return QLog(**stacked, n_candidates=n_candidates, merge=model.cfg.merge, accuracy=right / max(asked_in_all, 1))


def returns(log: QLog, gamma: float, n_step: int | None = None, bootstrap: Tensor | None = None) -> Tensor:
    """Discounted return of every logged decision, (T, B, A), nats.

    G_t = -rent + gamma (r_{t+1} + G_{t+1}) along the entry's way through the store; a parent gets 1 / m of what its merge earns.
    With ``n_step``, what follows after n steps is ``bootstrap`` (T, B, A), the value of the best action there.
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


def best_value(log: QLog, online: QNetwork, target: QNetwork) -> Tensor:
    """Double-DQN value of each agent's state: the target's Q of the action that the online network prefers."""
    out = []
    with torch.no_grad():
        for t in range(log.reward.shape[0]):
            content = log.content[t].float()
            choice = online(log.control[t], content).masked_fill(~log.allowed[t], -math.inf).argmax(-1, keepdim=True)
            out.append(target(log.control[t], content).gather(-1, choice).squeeze(-1))
    return torch.stack(out) * log.live


def regress(
    model: MemoryModel,
    logs: Sequence[QLog],
    config: QConfig,
    generator: torch.Generator,
    *,
    bootstrap: bool,
    progress: Callable[[int, int, str], None] | None = None,
) -> float:
    """Fit Q to returns: Monte-Carlo, or n-step double DQN with a soft target. Huber loss. Returns the last mean loss, nats.

    Agents in the upper half of importance rank are drawn three times as often as the others, so that facts are not drowned in prose,
    and all four actions equally often where they occur.
    """
    online = model.controller.q_network
    target = copy.deepcopy(online)
    optimiser = torch.optim.AdamW(online.parameters(), lr=config.learning_rate, weight_decay=1e-3)
    rank = model.control_names.index("importance_rank")
    flat: list[tuple[Tensor, Tensor, Tensor]] = []
    for log in logs:
        weight = log.live.float() * torch.where(log.control[..., rank] > 0.5, 3.0, 1.0)
        weight[-1] = 0
        for action in Action:
            here = log.action == action
            total = (weight * here).sum()
            if total > 0:
                weight = torch.where(here, weight / total, weight)
        flat.append((weight.flatten(), log.content.flatten(0, 2), log.control.flatten(0, 2)))
    mean = 0.0
    goal: list[Tensor] = [returns(log, config.gamma).flatten() for log in logs]
    for step in range(config.steps):
        which = int(torch.randint(len(logs), (1,), generator=generator))
        if bootstrap and step % config.refresh == 0:
            goal = [
                returns(log, config.gamma, config.n_step, best_value(log, online, target)).flatten() for log in logs
            ]
        weight, content, control = flat[which]
        index = torch.multinomial(weight, config.batch, replacement=True, generator=generator)
        q = online(control[index], content[index].float(), config.content_noise)
        taken = q.gather(-1, logs[which].action.flatten()[index, None]).squeeze(-1)
        loss = F.huber_loss(taken, goal[which][index])
        if not bool(torch.isfinite(loss)):
            raise TrainingError(f"Q loss is {loss.item()} at step {step} of a Q phase; lower its learning_rate")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            for new, old in zip(online.parameters(), target.parameters(), strict=True):
                old.lerp_(new, config.soft_target)
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if progress is not None and step % 50 == 0:
            progress(step, config.steps, f"Q regression: loss {mean:.4f}")
    return mean
