"""The budget task as a bandit: candidates with features, few of them relevant, and room for few. No stream, backbone or reader.

The controller, the features it sees and the store are those of the model. Only STORE and DISCARD are allowed. One nat is earned at the
end for each relevant candidate that is held.

Axes: sequence, candidate (of a whole sequence), kind (categorical feature of a candidate), agent (candidates of a segment, then entries).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from memlens.config import ModelConfig, QConfig
from memlens.dims import Action
from memlens.model.compressor import Compressor
from memlens.model.controller import Controller, control_features
from memlens.model.entries import Decisions, Entries
from memlens.model.store import empty_entries, update
from memlens.training.oracle import shuffled as shuffle
from memlens.training.q_learning import FORCE, QLog, QLogger, exploration
from memlens.training.q_phase import learn

#: Eight candidates a segment, room for eight. Further levels exist and stay empty.
CFG = ModelConfig(d_model=32, n_slots=8, capacities=(8, 2, 2))
#: Categorical features of a candidate, and values of each.
N_KIND, N_VALUE = 3, 4
#: Standard deviation of the noise on content, whose other parts have a variance of 1 per feature.
CONTENT_NOISE = 0.5
RULES = 8


@dataclass(frozen=True)
class Candidates:
    """Candidates of some sequences.

    Attributes
    ----------
    content : float [sequence, candidate, feature]
    relevant : bool [sequence, candidate]
    prior : float [sequence, candidate]
        Log of an importance that tells nothing of relevance.
    """

    content: Tensor
    relevant: Tensor
    prior: Tensor


def is_relevant(kind: Tensor, rule: int) -> Tensor:
    """Whether candidates are relevant: the first kind has the rule's value and the second lies in the rule's half.

    One combination in eight. The third kind never matters. Rules r and r + 5 differ in both.

    Parameters
    ----------
    kind : int64 [..., kind]
    rule : int

    Returns
    -------
    bool [...]
    """
    return (kind[..., 0] == rule % N_VALUE) & (kind[..., 1] // 2 == rule // N_VALUE % 2)


def draw_candidates(
    n_sequence: int, n_candidate: int, n_relevant: int, rule: int, generator: torch.Generator
) -> Candidates:
    """Draw sequences of candidates of which a given number, at random places, are relevant.

    Parameters
    ----------
    n_sequence, n_candidate, n_relevant : int
    rule : int
        0 to 7 (``is_relevant``).
    generator : torch.Generator

    Returns
    -------
    Candidates
    """
    every = torch.cartesian_prod(*(torch.arange(N_VALUE),) * N_KIND)
    right = is_relevant(every, rule)

    def some(of: Tensor, n: int) -> Tensor:
        return of[torch.randint(len(of), (n_sequence, n), generator=generator)]

    kind = torch.cat((some(every[right], n_relevant), some(every[~right], n_candidate - n_relevant)), 1)
    order = torch.rand(n_sequence, n_candidate, generator=generator).argsort(1)
    kind = kind.gather(1, order[..., None].expand_as(kind))
    # the same for all draws: the vector of a value does not change
    look = torch.randn(N_KIND, N_VALUE, CFG.d_model, generator=torch.Generator().manual_seed(0)) / N_KIND**0.5
    content = look[torch.arange(N_KIND), kind].sum(-2)
    content = content + CONTENT_NOISE * torch.randn(content.shape, generator=generator)
    prior = F.logsigmoid(torch.randn(n_sequence, n_candidate, generator=generator))
    return Candidates(content, is_relevant(kind, rule), prior)


@dataclass(frozen=True)
class Played:
    """What came of a batch of sequences.

    Attributes
    ----------
    log : QLog
    held : bool [sequence, candidate]
        Whether a candidate is held at the end.
    q : float [sequence, candidate, action]
        Q of each when it was fresh.
    """

    log: QLog
    held: Tensor
    q: Tensor


def _fresh(drawn: Candidates, t: int) -> Entries:
    """Candidates of segment ``t``; their ids are their places in the draw."""
    here = slice(t * CFG.n_slots, (t + 1) * CFG.n_slots)
    prior = drawn.prior[:, here]
    entry = torch.arange(here.start, here.stop).expand_as(prior)[:, : prior.shape[1]]
    zeros = torch.zeros_like(prior)
    return Entries(
        content=drawn.content[:, here], prior=prior, entry=entry, age=zeros, idle=zeros, hits=zeros,
        position=entry, start=entry, end=entry + 1, entropy=zeros, valid=torch.ones_like(prior, dtype=torch.bool),
    )  # fmt: skip


def _nothing(n_sequence: int) -> Entries:
    return empty_entries(n_sequence, CFG.n_slots, CFG.d_model, torch.device("cpu"))


@torch.no_grad()
def play(
    controller: Controller,
    drawn: Candidates,
    config: QConfig,
    generator: torch.Generator,
    *,
    epsilon: float = 0.0,
    oracle: bool = False,
    shuffled: bool = False,
) -> Played:
    """Let the candidates pass under the controller's present policy.

    Parameters
    ----------
    controller : Controller
    drawn : Candidates
    config : QConfig
    generator : torch.Generator
    epsilon : float
        Probability of a random action of a candidate.
    oracle : bool
        Force the right decisions.
    shuffled : bool
        Let the controller see, for each agent, the features and content of another live agent of its sequence.

    Returns
    -------
    Played
    """
    n_sequence, n_candidate = drawn.relevant.shape
    n_segment = -(-n_candidate // CFG.n_slots)
    n_entry = sum(CFG.capacities)
    level_of = torch.repeat_interleave(torch.arange(len(CFG.capacities)), torch.tensor(CFG.capacities))
    level = torch.cat((level_of.new_zeros(CFG.n_slots), level_of)).expand(n_sequence, -1)
    share = F.one_hot(level_of, len(CFG.capacities)).float()
    allowed = torch.zeros(n_sequence, CFG.n_slots + n_entry, len(Action), dtype=torch.bool)
    allowed[..., [Action.STORE, Action.DISCARD]] = True
    value = F.pad(drawn.relevant.float(), (0, 1))  # by id; nobody has id -1
    store = empty_entries(n_sequence, n_entry, CFG.d_model, torch.device("cpu"))
    with torch.random.fork_rng(devices=[]):
        compressor = Compressor(CFG)  # the store asks for one; nothing is ever merged here
    logger = QLogger(CFG, level_of, config)
    fresh_q = []
    for t in range(n_segment + 1):  # nothing comes in the last one: there rewards are earned
        last = t == n_segment
        agents = (_nothing(n_sequence) if last else _fresh(drawn, t)).joined(store)
        reward = value.gather(1, agents.entry % value.shape[1]) * last
        reward[:, : CFG.n_slots] = 0
        occupancy = (store.valid.float() @ share) / share.sum(0)
        keys = F.normalize(agents.content, dim=-1)
        since = torch.full((n_sequence,), float(t + 1))
        control, match = control_features(agents, keys, CFG.n_slots, level, occupancy, since)
        seen = agents
        if shuffled:
            order = shuffle(agents.valid, generator)
            seen, control = agents.at(order), control.gather(1, order[..., None].expand_as(control))
        explore = exploration(n_sequence, CFG.n_slots, n_entry, epsilon, generator)
        if oracle:
            right = value.gather(1, agents.entry % value.shape[1]) > 0
            explore = F.one_hot(torch.where(right, int(Action.STORE), int(Action.DISCARD)), len(Action)) * FORCE
        control, q, wanted = controller(seen, control, allowed, explore)
        done = update(CFG, agents, q, wanted, match, match, compressor, torch.zeros(n_sequence, dtype=torch.long))
        decisions = Decisions(agents.entry, level, wanted, done.action, allowed, q, control, done.destination)
        logger.add(seen.content, decisions, reward)
        if not last:
            fresh_q.append(q[:, : CFG.n_slots])
            store = done.store
    held = torch.zeros_like(value, dtype=torch.bool).scatter(1, store.entry % value.shape[1], value=True)[:, :-1]
    recalled = (held & drawn.relevant).sum() / drawn.relevant.sum()
    return Played(logger.log(float(recalled)), held, torch.cat(fresh_q, 1))


def learn_bandit(
    controller: Controller,
    config: QConfig,
    rule: int,
    n_candidate: int,
    generator: torch.Generator,
    n_relevant: int = 8,
) -> list[dict[str, float]]:
    """Learn the rule; a round logs ``config.n_stream`` sequences, and as many others decide which Q to keep.

    Parameters
    ----------
    controller : Controller
    config : QConfig
    rule : int
    n_candidate : int
    generator : torch.Generator
    n_relevant : int

    Returns
    -------
    list of dict
        Metrics of each round.
    """
    validation = draw_candidates(config.n_stream, n_candidate, n_relevant, rule, generator)

    def collect(epsilon: float) -> QLog:
        drawn = draw_candidates(config.n_stream, n_candidate, n_relevant, rule, generator)
        return play(controller, drawn, config, generator, epsilon=epsilon).log

    return learn(
        controller, config, generator, collect, lambda: play(controller, validation, config, generator).log.accuracy
    )
