"""Phase 1, consolidation: a candidate that is to RETRIEVE takes the place of the level-0 resident that is most like it."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from memlens.config import ModelConfig
from memlens.dims import Action
from memlens.model.entries import Entries
from memlens.model.indexing import marked
from memlens.model.store.contenders import Contenders
from memlens.model.tensors import Tensors

#: A candidate can only replace a resident when their keys match at least this well (cosine).
CONSOLIDATE_ABOVE = 0.7


@dataclass(frozen=True)
class Absorption(Tensors):
    """What consolidation leaves.

    Attributes
    ----------
    contenders : Contenders [sequence, agent]
        Without those that were replaced.
    replaced : int [sequence, slot]
        Id of the resident that a candidate replaces, -1 for none.
    """

    contenders: Contenders
    replaced: Tensor


def allowed_actions(
    cfg: ModelConfig,
    agents: Entries,
    match: Float[Tensor, "sequence agent agent"],
    level: Int[Tensor, "sequence agent"],
) -> Bool[Tensor, "sequence agent action"]:
    """What each agent may do.

    DISCARD and STORE always; COMPRESS below the last level; RETRIEVE for residents, and for candidates that have a resident to replace.

    Parameters
    ----------
    cfg : ModelConfig
        Number of candidates, capacities.
    agents : Entries [sequence, agent]
        Candidates, then residents level by level.
    match : float [sequence, agent, agent]
        Cosine of keys.
    level : int [sequence, agent]
        0 for candidates.

    Returns
    -------
    bool [sequence, agent, action]
        Also for agents that are not valid.
    """
    allowed = torch.ones(*agents.valid.shape, len(Action), dtype=torch.bool, device=agents.valid.device)
    allowed[..., Action.COMPRESS] = level < len(cfg.capacities) - 1
    alike, _ = _best_resident(cfg, agents, match)
    allowed[:, : cfg.n_slots, Action.RETRIEVE] = alike > CONSOLIDATE_ABOVE
    return allowed


def absorb(cfg: ModelConfig, contenders: Contenders, match: Float[Tensor, "sequence agent agent"]) -> Absorption:
    """Let candidates replace their like.

    The resident is gone, its action is RETRIEVE. Its candidate is ranked before all others, so that it gets the place that it freed.

    Parameters
    ----------
    cfg : ModelConfig
        Number of candidates, capacities.
    contenders : Contenders [sequence, agent]
        All agents.
    match : float [sequence, agent, agent]
        Cosine of keys.

    Returns
    -------
    Absorption
        Who is left, and who was replaced.
    """
    agents, (n_candidate, first_level) = contenders.entries, (cfg.n_slots, cfg.capacities[0])
    alike, best = _best_resident(cfg, agents, match)
    to_retrieve = contenders.action[:, :n_candidate] == int(Action.RETRIEVE)
    absorbs = agents.valid[:, :n_candidate] & to_retrieve & (alike > CONSOLIDATE_ABOVE)
    n_agent = agents.valid.shape[1]
    absorbed = F.pad(marked(best, absorbs, first_level), (n_candidate, n_agent - n_candidate - first_level))
    return Absorption(
        contenders=replace(
            contenders,
            entries=replace(agents, valid=agents.valid & ~absorbed),
            action=torch.where(absorbed, int(Action.RETRIEVE), contenders.action),
            keep_value=contenders.keep_value.masked_fill(F.pad(absorbs, (0, n_agent - n_candidate)), torch.inf),
        ),
        replaced=torch.where(absorbs, agents.entry.gather(1, n_candidate + best), -1),
    )


def _best_resident(
    cfg: ModelConfig, agents: Entries, match: Float[Tensor, "sequence agent agent"]
) -> tuple[Float[Tensor, "sequence slot"], Int[Tensor, "sequence slot"]]:
    """Cosine with the level-0 resident that is most like each candidate, and its place in level 0."""
    first_level = slice(cfg.n_slots, cfg.n_slots + cfg.capacities[0])
    alike = match[:, : cfg.n_slots, first_level].masked_fill(~agents.valid[:, None, first_level], -1.0)
    best = alike.max(-1)
    return best.values, best.indices
