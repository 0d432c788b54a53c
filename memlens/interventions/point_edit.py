"""Interventions at a hook point: which part of its tensor they change, and by what.

Axes of a part are those of the point after ``sequence``, less those that ``places`` takes out. The place axis is the one of slots, working
slots, entries, agents or memories, whichever the point has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor

from memlens.errors import InterventionError, PointError, closest
from memlens.interventions.base import Index, Intervention
from memlens.model.hooks import at
from memlens.model.points import Point, points

#: Axis of places -> the point that says which entry is in each, where that is known.
PLACES = {
    "slot": "",
    "working": "",
    "entry": "store.hook_entry",
    "agent": "controller.hook_entry",
    "memory": "retrieval.hook_entry",
}


@dataclass
class HookCall:
    """One call of a hook: the point, the axes of its tensor, the segment and firing, and the entries' ids at its places where known."""

    point: Point
    axes: tuple[str, ...]
    segment: int = 0
    firing: int = 0
    ids: Tensor | None = field(default=None, repr=False)

    @property
    def place_axis(self) -> str | None:
        """The axis of places, None where it has none."""
        return next((axis for axis in self.axes if axis in PLACES), None)

    def along_places(self, tensor: Tensor, mask: Tensor) -> Tensor:
        """Shape a mask over places so that it broadcasts with the tensor.

        Parameters
        ----------
        tensor : Tensor
            What passes the point, with or without its sequence axis.
        mask : bool [place] or [sequence, place]
            Of the places along ``place_axis``.

        Returns
        -------
        bool
            With as many axes as the tensor, of length 1 but for places and, where both have it, sequence.
        """
        axis = self.axes.index(self.place_axis) + (tensor.dim() - len(self.axes))
        shape = [1] * tensor.dim()
        shape[axis] = tensor.shape[axis]
        if mask.dim() == 2 and tensor.dim() > len(self.axes):
            shape[0] = mask.shape[0]
        return mask.reshape(shape)

    def held(self, tensor: Tensor) -> Tensor:
        """Which places hold something, shaped as by ``along_places``; all of them where that is not known."""
        if self.ids is None:
            return torch.ones((), dtype=torch.bool, device=tensor.device)
        return self.along_places(tensor, self.ids >= 0)


def _point_called(model: Any, name: str) -> Point:
    """A point of the model; PointError, with the closest names, when there is none."""
    known = {point.name: point for point in points(model.cfg)}
    if name not in known:
        raise PointError(f"no hook point is called '{name}'; {closest(name, known)}")
    return known[name]


class PointEdit(Intervention):
    """Replaces what passes through a hook point.

    Parameters
    ----------
    point
        Name of the point.
    segment
        A segment, several, a slice of them; all unless given.
    sequence
        One of the streams that are run together; all unless given.
    slot, entry
        A slot (or working slot), or the id of an entry at points that have entries, agents or memories. All unless given. An entry that is
        addressed in a single segment must be there; with several segments it is changed where it is held.
    places
        An index in each of further axes of the point, by name.
    """

    point: str
    sequence: Index | None = None
    slot: Index | None = None
    entry: Index | None = None
    places: dict[str, Index] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_place(self) -> "PointEdit":
        if self.slot is not None and self.entry is not None:
            raise ValueError("slot and entry are both given; give the one or the other")
        return self

    def _new(self, tensor: Tensor, call: HookCall) -> Tensor:
        """The tensor's replacement, of the same shape; where a slot or an entry is addressed, only that part of it is used."""
        raise NotImplementedError

    def _check_model(self, model: Any) -> None:
        call = self._now(model)
        at(self.point, **self.places)
        if (self.slot is not None and call.place_axis not in ("slot", "working")) or (
            self.entry is not None and not PLACES[call.place_axis or "slot"]
        ):
            what, there = ("slot", "slots") if self.entry is None else ("entry", "entries")
            raise PointError(f"'{self.point}' has no {there}, but {what} is given; its axes are {', '.join(call.axes)}")

    def hooks(self, model: Any) -> Sequence[tuple[str, Any]]:
        """One at the point, after one that notes the ids of the entries at its places."""
        whole = self._now(model)
        places = dict(self.places) | ({} if self.sequence is None else {"sequence": self.sequence})
        address = at(self.point, segment=self.address, **places)
        noted: dict[str, Tensor] = {}

        def note(ids: Tensor, hook: Any) -> None:
            noted["ids"] = ids if self.sequence is None else ids[self.sequence]

        def change(tensor: Tensor, hook: Any) -> Tensor:
            call = HookCall(whole.point, whole.axes, hook.segment, hook.firing, noted.get("ids"))
            new = self._new(tensor, call)
            mask = self._mask(tensor, call)
            return new if mask is None else torch.where(mask, new, tensor)

        id_point = PLACES[whole.place_axis] if whole.place_axis else ""
        first = [(id_point, note)] if id_point and id_point != self.point else []
        return [*first, (address, change)]

    def _now(self, model: Any) -> HookCall:
        point = _point_called(model, self.point)
        return HookCall(point, tuple(axis for axis in point.dims if axis not in self.places))

    def _mask(self, tensor: Tensor, call: HookCall) -> Tensor | None:
        """The places that are addressed, as ``along_places`` shapes them; None for all."""
        if self.slot is not None:
            n = tensor.shape[call.axes.index(str(call.place_axis)) + tensor.dim() - len(call.axes)]
            if self.slot >= n:
                raise PointError(f"slot {self.slot} of '{self.point}' does not exist; it has slots 0 to {n - 1}")
            return call.along_places(tensor, torch.arange(n, device=tensor.device) == self.slot)
        if self.entry is None or call.ids is None:
            return None
        mask = call.ids == self.entry
        if isinstance(self.segment, int) and not bool(mask.any()):
            raise InterventionError(absent(self.entry, call.segment, call.ids))
        return call.along_places(tensor, mask)


def absent(entry: int, segment: int, ids: Tensor) -> str:
    """The message about an entry that is not there.

    Parameters
    ----------
    entry, segment : int
        The entry that was looked for, and where.
    ids : int [...]
        The entries that are there; -1 where there is none.

    Returns
    -------
    str
        It lists the first eight of those.
    """
    held = sorted(set(ids[ids >= 0].tolist()))
    some = ", ".join(map(str, held[:8])) + (", ..." if len(held) > 8 else "")
    return f"entry {entry} is not there in segment {segment}; there are {len(held)}: {some or 'none'}"
