"""Hooks in time: TransformerLens's hook points, which also know the segment that they fire in.

A stream is a fold of ``step``, so every point fires once a segment. Hooks are told which one by ``hook.segment``, forwards and
backwards; ``at`` addresses one place in time and space.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from operator import index
from typing import Any

import torch
import transformer_lens.hook_points
from torch import Tensor

from memlens.calls import checked
from memlens.errors import PointError, closest
from memlens.model.cache import Moment

Hook = Callable[..., Any]


class Clock:
    """The step that a model is in, for all of its points; before the first one, segment -1."""

    moment: Moment = Moment(torch.tensor([-1]), alone=False)
    #: Whether what is being read is one segment and nothing else.
    alone: bool = False


class Firing:
    """The step and the number in it, from 0, of the firing whose tensor or gradient the hooks of a point are given."""

    __slots__ = ("moment", "number")

    def __init__(self, moment: Moment, number: int):
        self.moment = moment
        self.number = number


class HookPoint(transformer_lens.hook_points.HookPoint):
    """TransformerLens's hook point, which also knows the time.

    What a hook is told is that of the tensor it is given; in a backward hook, of the forward pass whose gradient that is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.now = Firing(self.clock.moment, -1)

    @property
    def segment(self) -> int:
        """Segment of the stream, from 0; where sequences are in different ones, that of the first."""
        return self.now.moment.segment

    @property
    def firing(self) -> int:
        """How often the point had fired in this segment before: the decoder's fire once for teacher forcing, then once a token."""
        return self.now.number

    def forward(self, x: Tensor) -> Tensor:
        """The same tensor."""
        if self.fwd_hooks or self.bwd_hooks:
            self._note_time(x)
        return x

    def _note_time(self, x: Tensor) -> None:
        now, moment = self.now, self.clock.moment
        number = now.number + 1 if now.moment is moment else 0
        now.moment, now.number = moment, number
        if self.bwd_hooks and x.requires_grad and torch.is_grad_enabled():

            def back(_: Tensor) -> None:
                now.moment, now.number = moment, number

            # runs just before the backward hooks of this very firing
            x.register_hook(back)


class At(str):
    """The name of a hook point and a place there, as ``at`` makes it."""

    segments: range | frozenset[int] | None
    places: Mapping[str, int]


@checked()
def at(name: str, *, segment: int | range | slice | Sequence[int] | None = None, **places: int) -> At:
    """Address one place of a hook point, for ``fwd_hooks``, ``bwd_hooks`` and ``add_hook``.

    Parameters
    ----------
    name : str
        Of a point.
    segment : int, range, slice or sequence of int, optional
        The segment or segments in which the hook is called, from 0; in all of them unless given. ``slice(3, None)`` is from 3 on.
    **places : int
        Axes of the point, by name, with an index each, such as ``slot=3``, ``entry=17`` or ``sequence=0``: the hook is given that part of
        the tensor alone, these axes taken out, and what it returns is put back there. ``slot`` also says which of the working slots.

    Returns
    -------
    At
        The name, which also holds the place.

    Raises
    ------
    PointError
        When a segment or an index is not a whole number, or a segment is negative.

    Examples
    --------
    >>> at("context.hook_slot", segment=3, slot=5)
    'context.hook_slot'
    """
    for axis in places:
        if get_close_matches(axis, ("segment",), cutoff=0.8):
            raise PointError(f"at() got '{axis}', which is no axis; closest: segment")
    address = At(name)
    address.segments = None if segment is None else _addressed_segments(segment)
    address.places = {axis: _index(axis, i) for axis, i in places.items()}
    return address


def _addressed_segments(given: Any) -> range | frozenset[int]:
    try:
        if isinstance(given, slice):
            # without an end: to that of any stream
            end = sys.maxsize if given.stop is None else given.stop
            given = range(given.start or 0, end, given.step or 1)
        elif not isinstance(given, range):
            given = frozenset(map(index, given if isinstance(given, Iterable) else [given]))
    except TypeError as error:
        raise PointError(f"segment is {given!r}, expected whole numbers: {error}") from None
    ends = (given[0], given[-1]) if isinstance(given, range) and given else given
    if not ends or min(ends) < 0:
        raise PointError(f"segment is {given!r}, expected at least one, counted from 0, the start of the stream")
    return given


def _index(axis: str, given: Any) -> int:
    try:
        return index(given)
    except TypeError:
        raise PointError(f"{axis} is {given!r}, expected one index; add a hook for each of several") from None


@dataclass(frozen=True)
class Placed:
    """A hook that is called in the segments of an address and given its place alone, of a tensor with these axes."""

    hook: Hook
    address: At
    axes: tuple[str, ...]

    def __post_init__(self) -> None:
        for axis in self.address.places:
            if self._name(axis) not in self.axes:
                raise PointError(f"'{self.address}' has no axis '{axis}'; {closest(axis, ['segment', *self.axes])}")

    def _name(self, axis: str) -> str:
        return "working" if axis == "slot" and "slot" not in self.axes else axis

    @cached_property
    def where(self) -> tuple[slice | int, ...]:
        """What picks the place from a tensor."""
        chosen = {self._name(axis): i for axis, i in self.address.places.items()}
        return tuple(chosen.get(axis, slice(None)) for axis in self.axes)

    def __call__(self, tensor: Tensor, hook: HookPoint) -> Any:
        if not self._is_now(hook.now.moment):
            return None
        if not self.address.places:
            return self.hook(tensor, hook=hook)
        try:
            part = tensor[self.where]
        except IndexError:
            shape = dict(zip(self.axes, tensor.shape, strict=False))
            places = dict(self.address.places)
            raise PointError(f"{places} of '{self.address}' is outside of its shape there, {shape}") from None
        new = self.hook(part, hook=hook)
        if new is None:
            return None
        whole = tensor.clone()
        # hooks of gradients may return a tuple of one
        whole[self.where] = new[0] if isinstance(new, tuple) else new
        return whole

    def _is_now(self, moment: Moment) -> bool:
        segments = self.address.segments
        if segments is None:
            return True
        if len(set(moment.segments)) > 1:
            raise PointError(
                f"segments of '{self.address}' were addressed, but the sequences of this step are in segments {moment.segments}: "
                "run those of different segments apart"
            )
        return moment.segment in segments
