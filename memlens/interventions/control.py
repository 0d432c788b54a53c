"""Interventions on the controller: force an action, forbid one, freeze a memory."""

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, model_validator
from torch import Tensor

from memlens.dims import Action
from memlens.errors import InterventionError, InterventionWarning, closest
from memlens.interventions.base import Index, Intervention
from memlens.interventions.point_edit import absent
from memlens.model.hooks import at
from memlens.model.run import Result


def _action(given: Any) -> Any:
    """The name of an action, given in any case, as its number or as an Action."""
    names = [action.name for action in Action]
    if isinstance(given, str) and given.upper() in names:
        return given.upper()
    if isinstance(given, Integral) and int(given) in range(len(names)):
        return names[int(given)]
    raise ValueError(f"expected an action; {closest(str(given).upper(), names)}")


ActionName = Annotated[Literal["STORE", "COMPRESS", "RETRIEVE", "DISCARD"], BeforeValidator(_action)]

#: A Q-value, in nats, beyond that of any action: it decides, also where more entries are to stay than there is room for.
DECISIVE = 1000.0
IDS, Q, GATE = "controller.hook_entry", "controller.hook_q", "working.hook_gate"


class AgentEdit(Intervention):
    """Changes the Q-values of some agents: of the candidate from ``slot``, of the entry with an id, or of all."""

    action: ActionName
    sequence: Index | None = None
    slot: Index | None = None
    entry: Index | None = None

    @model_validator(mode="after")
    def _one_agent(self) -> "AgentEdit":
        if self.slot is not None and self.entry is not None:
            raise ValueError("slot and entry are both given; give the one or the other")
        return self

    def _check_model(self, model: Any) -> None:
        if self.slot is not None and self.slot >= model.cfg.n_slots:
            raise InterventionError(f"slot {self.slot} does not exist; there are slots 0 to {model.cfg.n_slots - 1}")

    def chosen(self, ids: Tensor) -> Tensor:
        """Which agents are meant, bool [sequence, agent], among these ids, int [sequence, agent].

        Raises
        ------
        InterventionError
            When one agent in one segment is meant, and is not there.
        """
        mask = ids >= 0
        if self.entry is not None:
            mask = ids == self.entry
        elif self.slot is not None:
            mask = mask & (torch.arange(ids.shape[1], device=ids.device) == self.slot)
        if self.sequence is not None:
            mask = mask & (torch.arange(ids.shape[0], device=ids.device) == self.sequence)[:, None]
        if isinstance(self.segment, int) and (self.slot is not None or self.entry is not None) and not bool(mask.any()):
            if self.entry is not None:
                raise InterventionError(absent(self.entry, self.segment, ids))
            raise InterventionError(
                f"slot {self.slot} holds no candidate in segment {self.segment}; give another slot or segment"
            )
        return mask

    def _revalued(self, q: Tensor, mask: Tensor) -> Tensor:
        """Q of the actions, float [sequence, agent, action], changed for the agents of ``mask``, bool [sequence, agent]."""
        raise NotImplementedError

    def hooks(self, model: Any) -> Sequence[tuple[str, Any]]:
        """One that notes the agents' ids, one that changes Q."""
        noted: dict[str, Tensor] = {}

        def note(ids: Tensor, hook: Any) -> None:
            noted["ids"] = ids

        def change(q: Tensor, hook: Any) -> Tensor:
            return self._revalued(q, self.chosen(noted["ids"]))

        return [(IDS, note), (at(Q, segment=self.address), change)]


class Force(AgentEdit):
    """Have the controller take an action: for a candidate (``slot``) or an entry (``entry``), in ``segment``.

    Q of that action becomes DECISIVE, so that it also wins where there is not room for all. Where the action is impossible (COMPRESS at the
    last level or without a similar entry to merge with, RETRIEVE of a candidate without a match in the store), the next best is taken: an
    InterventionWarning says so, and the decisions show what was executed.
    """

    @model_validator(mode="after")
    def _somebody(self) -> "Force":
        if self.slot is None and self.entry is None:
            raise ValueError("give slot or entry: the candidate or the entry to force")
        if self.slot is not None and self.segment is None:
            raise ValueError("give segment: a candidate exists in one segment only")
        return self

    def _revalued(self, q: Tensor, mask: Tensor) -> Tensor:
        """With this action above all others."""
        only = mask[..., None] & (torch.arange(len(Action), device=q.device) == int(Action[self.action]))
        return torch.where(only, DECISIVE, q)

    def saw(self, result: Result[Any]) -> None:
        """Warn where something else was executed."""
        if not self.acts(result.segment):
            return
        decisions = result.outputs.decisions
        executed = decisions.action[self.chosen(decisions.entry)].tolist()
        for action in executed:
            if action != int(Action[self.action]):
                whom = f"slot {self.slot}" if self.entry is None else f"entry {self.entry}"
                warnings.warn(
                    f"{self.action} was forced on {whom} in segment {result.segment}, but is not possible there; {Action(action).name} was "
                    "executed instead",
                    InterventionWarning,
                    stacklevel=2,
                )


class Forbid(AgentEdit):
    """Keep the controller from choosing an action: everywhere, or in some segments, or for one candidate or entry.

    The store's limits still hold: what it has no room for is dropped, and what has nothing to merge with is kept. The decisions show it.
    """

    def _revalued(self, q: Tensor, mask: Tensor) -> Tensor:
        """With this action below all others."""
        only = mask[..., None] & (torch.arange(len(Action), device=q.device) == int(Action[self.action]))
        return torch.where(only, -DECISIVE, q)


class Freeze(Intervention):
    """Keep a memory as it is before ``segment``, from then on; with a list, range or slice, in those segments only.

    Working memory stays bit-equal. The store keeps its entries in their places and takes in no others; ages and reads still count up.
    """

    memory: Literal["working", "store"]

    @property
    def address(self) -> Any:
        """The segments as ``memlens.at`` takes them: from a single one on."""
        return slice(self.segment, None) if isinstance(self.segment, int) else super().address

    def hooks(self, model: Any) -> Sequence[tuple[str, Any]]:
        """One that closes the gate of working memory, or one that keeps all residents and drops all candidates."""
        n_slots = model.cfg.n_slots

        def close(gate: Tensor, hook: Any) -> Tensor:
            return torch.ones_like(gate)

        def keep(q: Tensor, hook: Any) -> Tensor:
            q = q.clone()
            q[:, :n_slots, Action.DISCARD] = DECISIVE
            q[:, n_slots:, Action.STORE] = DECISIVE
            return q

        return [
            (
                at(GATE if self.memory == "working" else Q, segment=self.address),
                close if self.memory == "working" else keep,
            )
        ]
