"""The Q-controller: Q(state of an entry, action), and the heuristic policies behind the same interface.

A policy maps what is known of every agent to a value for each action. ``wanted = argmax Q`` over the allowed actions; the store then
enforces capacities by the same values, so every policy is subject to the same mechanics.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memlens.config import ModelConfig
from memlens.dims import Action
from memlens.errors import ConfigError, closest
from memlens.model.entries import Entries
from memlens.model.hooks import HookPoint
from memlens.model.layers import MLP, RMSNorm

#: Segments after which time stands still for the controller: streams may be far longer than those it learned from.
LONGEST = 100.0


def control_names(cfg: ModelConfig) -> tuple[str, ...]:
    """Names of the features the controller sees, in order."""
    levels = range(len(cfg.capacities))
    return (
        "importance",
        "importance_rank",
        "novelty",
        "superseded",
        "write_entropy",
        "log_age",
        "log_idle",
        "hits",
        "candidate",
        *(f"level_{i}" for i in levels),
        *(f"occupancy_{i}" for i in levels),
        "log_since_question",
    )


def control_features(
    agents: Entries,
    keys: Float[Tensor, "sequence agent feature"],
    n_candidates: int,
    level: Tensor,
    occupancy: Float[Tensor, "sequence level"],
    since_question: Float[Tensor, "sequence"],
) -> tuple[Float[Tensor, "sequence agent control"], Float[Tensor, "sequence agent agent"]]:
    """What the controller sees of every agent, named by ``control_names``.

    novelty is 1 - the best match with a store entry other than itself; superseded is the best match with an agent whose source lies later
    in the stream, so a fact that was stated again shows in both. Unmatched: 1 and 0. hits are the most that any agent was read, times the
    sixth power of the match with it (1 for itself).

    Parameters
    ----------
    agents : Entries [sequence, agent]
        Candidates, then residents.
    keys : float [sequence, agent, feature]
        Unit vectors.
    n_candidates : int
        How many agents are candidates.
    level : int [sequence, agent]
        0 for candidates.
    occupancy : float [sequence, level]
        Share of each level that is full.
    since_question : float [sequence]
        Segments since something was last asked.

    Returns
    -------
    control : float [sequence, agent, control]
        Features.
    match : float [sequence, agent, agent]
        Cosine of every agent's key with every other's.
    """
    n = agents.valid.shape[1]
    match = keys @ keys.transpose(-1, -2)
    other = ~torch.eye(n, dtype=torch.bool, device=match.device) & agents.valid[:, None] & agents.valid[..., None]
    resident = torch.arange(n, device=match.device) >= n_candidates
    best = match.masked_fill(~(other & resident), 0.0).amax(-1).clamp_min(0)
    later = agents.position[:, None] > agents.position[..., None]
    superseded = match.masked_fill(~(other & later), 0.0).amax(-1).clamp_min(0)
    # an entry that says the same as one that was read is as good as read
    hits = (match.clamp_min(0) ** 6 * agents.hits[:, None]).amax(-1)
    lower = (agents.prior[:, None] < agents.prior[..., None]) & other
    rank = lower.float().sum(-1) / other.float().sum(-1).clamp_min(1)
    one_hot = nn.functional.one_hot(level, occupancy.shape[1]).float()
    columns = [
        agents.prior.clamp_min(-10) / 4,
        rank,
        1 - best,
        superseded,
        agents.entropy / 3,
        torch.log1p(agents.age.clamp(max=LONGEST)) / 4,
        torch.log1p(agents.idle.clamp(max=LONGEST)) / 4,
        hits.clamp(max=4),
        (~resident).float().expand_as(agents.prior),
    ]
    per_row = torch.cat((occupancy, torch.log1p(since_question.clamp(max=LONGEST))[:, None] / 4), -1)
    return (
        torch.cat((torch.stack(columns, -1), one_hot, per_row[:, None].expand(-1, n, -1)), -1),
        match,
    )


class QNetwork(nn.Module):
    """Dueling Q over the control features and a projection of the entry's content.

    Q = V(s) + A(s, a) - mean_a A(s, a) (Wang et al. 2016), in nats.
    """

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        n = len(control_names(cfg))
        self.norm = RMSNorm(cfg.d_model)
        self.content = nn.Linear(cfg.d_model, 32)
        self.trunk = MLP(n + 32, 2 * cfg.control_width, cfg.control_width)
        self.value = nn.Linear(cfg.control_width, 1)
        self.advantage = nn.Linear(cfg.control_width, len(Action))

    def forward(
        self, control: Float[Tensor, "*batch control"], content: Float[Tensor, "*batch feature"], noise: float = 0.0
    ) -> Float[Tensor, "*batch action"]:
        """Q of each action.

        Parameters
        ----------
        control : float [..., control]
            Features, as ``control_features``.
        content : float [..., feature]
            Of the entry.
        noise : float
            Standard deviation of what is added to the content of RMS 1: it keeps training from learning entries by heart.

        Returns
        -------
        float [..., action]
            Nats.
        """
        normed = self.norm(content)
        if noise:
            normed = normed + noise * torch.randn_like(normed)
        x = torch.relu(self.trunk(torch.cat((control, self.content(normed)), -1)))
        advantage = self.advantage(x)
        return (self.value(x) + advantage - advantage.mean(-1, keepdim=True)).float()


Score = Callable[[Entries], Tensor]


def _hash(entry: Tensor, salt: int) -> Tensor:
    """A fixed pseudo-random number in (0, 1) for each id: integer hashing, the same on every device."""
    x = (entry + 1 + salt * 7919) * 2654435761 % 4294967296
    x = (x ^ (x >> 16)) * 2246822519 % 4294967296
    x = (x ^ (x >> 13)) * 3266489917 % 4294967296
    return (x ^ (x >> 16)).float() / 4294967296


#: Heuristics: how much an entry deserves its place, in (0, 1).
HEURISTICS: dict[str, Score] = {
    "fifo": lambda a: 1 / (1 + a.age),
    "lru": lambda a: 1 / (1 + a.idle),
    "reservoir": lambda a: _hash(a.entry, 0),
    "random": lambda a: _hash(a.entry * 131 + a.age.long(), 1),
    "importance": lambda a: a.prior.exp(),
    "store_all": lambda a: torch.ones_like(a.prior),
}


class Controller(nn.Module):
    """One Q-network, or a heuristic, over candidates and residents."""

    def __init__(self, cfg: ModelConfig):
        super().__init__()
        self.q_network = QNetwork(cfg)
        self.policy = cfg.policy
        self.hook_entry = HookPoint()
        self.hook_control = HookPoint()
        self.hook_q = HookPoint()
        self.hook_action = HookPoint()

    @property
    def policy(self) -> str:
        """ "learned", "explore" or the name of a heuristic."""
        return self._policy

    @policy.setter
    def policy(self, name: str) -> None:
        allowed = {"learned", *HEURISTICS}
        if name not in allowed:
            raise ConfigError(f"unknown policy '{name}'; {closest(name, allowed)}")
        self._policy = name

    def values(self, agents: Entries, control: Tensor) -> Float[Tensor, "sequence agent action"]:
        """Value of every action for every agent under the current policy, before the mask.

        Parameters
        ----------
        agents : Entries [sequence, agent]
            Candidates, then residents.
        control : float [sequence, agent, control]
            Features; heuristics look at the agents alone.

        Returns
        -------
        float [sequence, agent, action]
            Nats for "learned", 0 to 1 for heuristics.
        """
        if self.policy == "learned":
            return self.q_network(control, agents.content)
        score = HEURISTICS[self.policy](agents)
        never = torch.full_like(score, -1.0)
        return torch.stack((score, score / 2, never, torch.zeros_like(score)), -1)

    def forward(
        self, agents: Entries, control: Tensor, allowed: Bool[Tensor, "sequence agent action"], explore: Tensor | None
    ) -> tuple[Tensor, Float[Tensor, "sequence agent action"], Tensor]:
        """Decide what every agent is to do.

        Parameters
        ----------
        agents : Entries [sequence, agent]
            Candidates, then residents.
        control : float [sequence, agent, control]
            Features, as ``control_features``.
        allowed : bool [sequence, agent, action]
            What it may do.
        explore : float [sequence, agent, action], optional
            Added to Q: noise for exploration, or a large number to force an action.

        Returns
        -------
        control : float [sequence, agent, control]
            Features, as the hooks left them.
        q : float [sequence, agent, action]
            -inf where not allowed.
        wanted : int [sequence, agent]
            Action of highest Q.
        """
        control = self.hook_control(control)
        q = self.values(agents, control)
        if explore is not None:
            q = q + explore
        q = self.hook_q(q).masked_fill(~allowed, -math.inf)
        return control, q, self.hook_action(q.argmax(-1))
