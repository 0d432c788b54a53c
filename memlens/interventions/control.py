"""Interventions on the controller: force an action, forbid one, freeze a memory."""

import warnings
from collections.abc import Sequence
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
    """The name of an action, given in any case or as an Action."""
    if not isinstance(given, str):
        return Action(given).name
    names = [action.name for action in Action]
    if given.upper() not in names:
        raise ValueError(f"no such action; {closest(given.upper(), names)}")
    return given.upper()


ActionName = Annotated[Literal["STORE", "COMPRESS", "RETRIEVE", "DISCARD"], BeforeValidator(_action)]

#: A value, in nats, beyond what any action is worth: it decides, also where more want to stay than there is room for.
DECISIVE = 1000.0
IDS, Q, GATE = "controller.hook_entry", "controller.hook_q", "working.hook_gate"


class AgentEdit(Intervention):
    """Changes how actions are valued for some agents: the candidate from ``slot``, the entry with an id, or all."""

    action: ActionName
    sequence: Index | None = None
    slot: Index | None = None
    entry: Index | None = None

    @model_validator(mode="after")
    def _one_agent(self) -> "AgentEdit":
        if self.slot is not None and self.entry is not None:
            raise ValueError("slot and entry are both given; an agent is one of them")
        return self

    def check(self, model: Any, n_segment: int) -> None:
        """As every intervention; and InterventionError where there is no such slot."""
        super().check(model, n_segment)
        if self.slot is not None and self.slot >= model.cfg.n_slots:
            raise InterventionError(f"slot {self.slot} does not exist; there are slots 0 to {model.cfg.n_slots - 1}")

    def chosen(self, ids: Tensor) -> Tensor:
        """Which agents of ids (sequence, agent) these are, bool."""
        mask = ids >= 0
        if self.entry is not None:
            mask = ids == self.entry
        elif self.slot is not None:
            mask = mask & (torch.arange(ids.shape[1], device=ids.device) == self.slot)
        if self.sequence is not None:
            mask = mask & (torch.arange(ids.shape[0], device=ids.device) == self.sequence)[:, None]
        if isinstance(self.segment, int) and (self.slot is not None or self.entry is not None) and not bool(mask.any()):
            what = f"slot {self.slot} took nothing in" if self.entry is None else absent(self.entry, self.segment, ids)
            raise InterventionError(f"{what} segment {self.segment}" if self.entry is None else what)
        return mask

    def valued(self, q: Tensor, mask: Tensor) -> Tensor:
        """Values of the actions (sequence, agent, action), where ``mask`` says which agents are meant."""
        raise NotImplementedError

    def hooks(self, model: Any) -> Sequence[tuple[str, Any]]:
        """One that notes who the agents are, one that changes Q."""
        noted: dict[str, Tensor] = {}

        def note(ids: Tensor, hook: Any) -> None:
            noted["ids"] = ids

        def change(q: Tensor, hook: Any) -> Tensor:
            return self.valued(q, self.chosen(noted["ids"]))

        return [(IDS, note), (at(Q, segment=self.address), change)]


class Force(AgentEdit):
    """Have the controller take an action: for a candidate (``slot``) or an entry (``entry``), in ``segment``.

    Q of that action becomes DECISIVE, so that it also wins where there is not room for all. An action that cannot be taken there (COMPRESS
    at the last level or without a like to merge with, RETRIEVE of a candidate without a match in the store) gives way to the next best:
    an InterventionWarning says so, and the decisions show what was executed.
    """

    @model_validator(mode="after")
    def _somebody(self) -> "Force":
        if self.slot is None and self.entry is None:
            raise ValueError("give slot or entry: whom to force")
        if self.slot is not None and self.segment is None:
            raise ValueError("give segment: a candidate lives in one segment")
        return self

    def valued(self, q: Tensor, mask: Tensor) -> Tensor:
        """With this action above all."""
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
    """Have the controller never want an action: everywhere, or in some segments, of one candidate or entry.

    What the store has no room for, or nothing to merge with, is still dropped or kept as it must: the decisions show it.
    """

    def valued(self, q: Tensor, mask: Tensor) -> Tensor:
        """With this action below all."""
        only = mask[..., None] & (torch.arange(len(Action), device=q.device) == int(Action[self.action]))
        return torch.where(only, -DECISIVE, q)


class Freeze(Intervention):
    """Keep a memory as it is before ``segment`` (or in some segments: a list or slice).

    Working memory stays bit-equal. The store keeps its entries in their places, and takes none in; their ages and reads go on counting.
    """

    memory: Literal["working", "store"]

    @property
    def address(self) -> Any:
        """From the segment on, where one is given."""
        return slice(self.segment, None) if isinstance(self.segment, int) else super().address

    def hooks(self, model: Any) -> Sequence[tuple[str, Any]]:
        """The gate is closed; or all residents are kept and all candidates dropped."""
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
