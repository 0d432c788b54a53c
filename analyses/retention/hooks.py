"""What the retention study takes away from a memory, by hooks at evaluation: nothing is trained again.

Taken from questions alone; what the memory holds is the same (hooks act where questions are answered):

======================  ==============================================================================================
without                 what the hooks do
======================  ==============================================================================================
store                   no entry of L_t can be read: its logits are NEVER (``retrieval.hook_logits``). The last
                        segment's slots and working memory stay, and what was recalled into it
working memory          no slot of M_{t-1} can be read (``retrieval.hook_logits``)
M_q                     the decoder gets zeros for the question (``question.hook_slot``); retrieval has read it already
======================  ==============================================================================================

Taken all along the stream:

======================  ==============================================================================================
compression             COMPRESS is never wanted nor taken when a level is full (``controller.hook_q``): higher levels
                        stay empty
importance              a seeded standard normal score for every position (``importance.hook_score``), in what is
                        picked, in priors and in what the controller sees
controller              each heuristic decides in its place (``memlens.model.controller.HEURISTICS``)
======================  ==============================================================================================
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from analyses.common.recall import Hooks

if TYPE_CHECKING:
    from torch import Tensor

    from memlens.model import MemoryModel

FULL = "nothing"
NO_STORE, NO_WORKING, NO_QUESTION = "store", "working memory", "M_q"
NO_COMPRESSION, NO_IMPORTANCE = "compression", "importance"
#: Read at questions only: all in one run with FULL.
AT_QUESTIONS = (NO_STORE, NO_WORKING, NO_QUESTION)
ALL_ALONG = (NO_COMPRESSION, NO_IMPORTANCE)
POLICIES = ("fifo", "lru", "reservoir", "random", "importance", "store_all")


def named_policy(policy: str) -> str:
    """A condition's name: "controller (fifo)"."""
    return f"controller ({policy})"


def at_questions(model: "MemoryModel") -> dict[str, Hooks]:
    """The conditions that act on questions only, FULL first."""
    from torch import zeros_like

    n_slots, n_working = model.cfg.n_slots, model.cfg.working_slots

    def zero(tensor: "Tensor", hook: Any) -> "Tensor":
        return zeros_like(tensor)

    return {
        FULL: [],
        NO_STORE: [("retrieval.hook_logits", unread(slice(n_slots + n_working, None)))],
        NO_WORKING: [("retrieval.hook_logits", unread(slice(n_slots, n_slots + n_working)))],
        NO_QUESTION: [("question.hook_slot", zero)],
    }


def unread(places: slice) -> Callable[..., Any]:
    """A hook on (sequence, question, memory): these places of [M_ctx, M_{t-1}, L_{t-1}] are never read."""
    from memlens.model.layers import NEVER

    def never(logits: "Tensor", hook: Any) -> "Tensor":
        logits = logits.clone()
        logits[..., places] = NEVER
        return logits

    return never


def all_along(without: str, seed: int) -> Hooks:
    """Fresh hooks of a condition that acts on every segment; the noise follows from the seed."""
    import torch

    from memlens.dims import Action
    from memlens.model.layers import NEVER

    def never_compress(q: "Tensor", hook: Any) -> "Tensor":
        q = q.clone()
        q[..., Action.COMPRESS] = NEVER
        return q

    generator = torch.Generator().manual_seed(seed)

    def noise(score: "Tensor", hook: Any) -> "Tensor":
        return torch.randn(score.shape, generator=generator).to(score)

    if without == NO_COMPRESSION:
        return [("controller.hook_q", never_compress)]
    return [("importance.hook_score", noise)]
