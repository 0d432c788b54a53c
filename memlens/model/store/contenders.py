"""Who competes for the places of a level: the entries, what each is to do, and what that is worth."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from memlens.dims import Action
from memlens.model.entries import Entries
from memlens.model.tensors import Items


@dataclass(frozen=True)
class Contenders(Items):
    """Entries that compete for places, each with its action and the two values that decide among them.

    Attributes
    ----------
    entries : Entries [sequence, contender]
        ``valid`` where somebody competes.
    action : int [sequence, contender]
        What it is to do.
    keep_value : float [sequence, contender]
        Nats by which being kept is better than the next best: max(Q(STORE), Q(RETRIEVE)) - max(Q(COMPRESS), Q(DISCARD)).
    compress_value : float [sequence, contender]
        Nats by which being compressed is better than being dropped: Q(COMPRESS) - Q(DISCARD).
    agent : int [sequence, contender, 2]
        The agents that it stands for: itself, twice, or both parents of a merge.
    """

    entries: Entries
    action: Tensor
    keep_value: Tensor
    compress_value: Tensor
    agent: Tensor


def contenders(
    agents: Entries, q: Float[Tensor, "sequence agent action"], wanted: Int[Tensor, "sequence agent"]
) -> Contenders:
    """All agents, each standing for itself.

    Parameters
    ----------
    agents : Entries [sequence, agent]
        Candidates, then residents level by level.
    q : float [sequence, agent, action]
        Nats; -inf where an action is not allowed.
    wanted : int [sequence, agent]
        The action that the controller wants.

    Returns
    -------
    Contenders [sequence, agent]
        With DISCARD for what is not valid.
    """
    n_sequence, n_agent = wanted.shape
    kept = torch.maximum(q[..., Action.STORE], q[..., Action.RETRIEVE])
    next_best = torch.maximum(q[..., Action.COMPRESS], q[..., Action.DISCARD])
    return Contenders(
        entries=agents,
        action=torch.where(agents.valid, wanted, int(Action.DISCARD)),
        keep_value=kept - next_best,
        compress_value=q[..., Action.COMPRESS] - q[..., Action.DISCARD],
        agent=torch.arange(n_agent, device=wanted.device)[:, None].expand(n_sequence, -1, 2),
    )
