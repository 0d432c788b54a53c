"""Hooks in time: TransformerLens's hook points, which also know the segment that they fire in, and a cache with a segment axis.

A stream is a fold of ``step``, so every point fires once a segment. Hooks are told which one by ``hook.segment``, forwards and
backwards; ``at`` addresses one place in time and space; what ``run_with_cache`` keeps of several segments is a ``TemporalCache``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
import transformer_lens.hook_points as lens
from torch import Tensor
from transformer_lens import HookedRootModule
from transformer_lens.utilities.slice import Slice

from memlens.errors import PointError, closest

Hook = Callable[..., Tensor | None]
#: Axes of a point after ``sequence``, by the point's name.
Axes = Mapping[str, tuple[str, ...]]


class Clock:
    """The segment that a model is in; -1 before its first step."""

    segment: int = -1


class HookPoint(lens.HookPoint):
    """TransformerLens's hook point, with ``segment``: which segment of the stream the tensor that a hook is given belongs to."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()

    @property
    def segment(self) -> int:
        """Counted from the start of the stream; in a backward hook that of the forward pass whose gradient it is."""
        return self.clock.segment

    def forward(self, x: Tensor) -> Tensor:
        """The same tensor."""
        if self.bwd_hooks and x.requires_grad:
            segment = self.clock.segment

            def back(_: Tensor) -> None:
                self.clock.segment = segment

            # runs just before the backward hooks of this very firing
            x.register_hook(back)
        return x


class At(str):
    """The name of a hook point and a place there, as ``at`` makes it."""

    segments: range | frozenset[int] | None
    places: Mapping[str, int]


def at(name: str, *, segment: int | range | slice | Sequence[int] | None = None, **places: int) -> At:
    """Address one place of a hook point, for ``fwd_hooks``, ``bwd_hooks`` and ``add_hook``.

    Parameters
    ----------
    name
        Of a point.
    segment
        The segment or segments in which the hook is called; in all of them unless given.
    **places
        Axes of the point, by name, with an index each, such as ``slot=3`` or ``entry=17``: the hook is given that part of the tensor
        alone, these axes taken out, and what it returns is put back there. ``slot`` also says which of the working slots.

    Examples
    --------
    >>> at("context.hook_slot", segment=3, slot=5)
    'context.hook_slot'
    """
    address = At(name)
    if isinstance(segment, int):
        address.segments = frozenset((segment,))
    elif isinstance(segment, slice):
        if segment.stop is None or (segment.start or 0) < 0 or segment.stop < 0:
            raise PointError(f"segment is {segment}, expected a slice with an end, counted from the stream's start")
        address.segments = range(segment.start or 0, segment.stop, segment.step or 1)
    else:
        address.segments = segment if segment is None or isinstance(segment, range) else frozenset(segment)
    address.places = places
    return address


def index_of(address: At, dims: tuple[str, ...]) -> tuple[slice | int, ...]:
    """What picks the place of ``address`` from a tensor of axes (sequence, *dims).

    Raises
    ------
    PointError
        When the point has no such axis.
    """
    index: list[slice | int] = [slice(None)] * (1 + len(dims))
    for axis, i in address.places.items():
        name = "working" if axis == "slot" and "slot" not in dims else axis
        if name not in dims:
            raise PointError(
                f"'{address}' has no axis '{axis}'; it has {', '.join(dims) or 'none'}: give at() one of these"
            )
        index[1 + dims.index(name)] = i
    return tuple(index)


def addressed(hook: Hook, address: At, dims: tuple[str, ...]) -> Hook:
    """``hook``, called in the segments of ``address`` and given its place alone."""
    index = index_of(address, dims)
    segments = address.segments

    def at_place(tensor: Tensor, hook_point: HookPoint) -> Tensor | None:
        if segments is not None and hook_point.segment not in segments:
            return None
        if not address.places:
            return hook(tensor, hook=hook_point)
        try:
            part = tensor[index]
        except IndexError:
            shape = dict(zip(("sequence", *dims), tensor.shape, strict=False))
            raise PointError(f"at({address!r}, {dict(address.places)}) is outside of the point's {shape}") from None
        new = hook(part, hook=hook_point)
        if new is None:
            return None
        whole = tensor.clone()
        whole[index] = new
        return whole

    def call(tensor: Tensor, hook: HookPoint) -> Tensor | None:
        return at_place(tensor, hook)

    return call


@dataclass(frozen=True)
class Firing:
    """One tensor that passed through a point."""

    segment: int
    tensor: Tensor


class TemporalCache(Mapping[str, Tensor]):
    """What points held, segment by segment; gradients under the name of the point and ``_grad``. All are copies.

    - ``cache[name]``: (segment, sequence, ...), all segments in which the point fired; ``segments(name)`` says which;
    - ``cache[name, t]``: (sequence, ...), segment t of the stream;
    - ``cache[name, t, slot]``: the same at one place of the slots' axis (of a store point: entries' axis).

    A point of the decoder fires more than once a segment: ``firings(name, t)`` has all of it, and the others raise.
    """

    def __init__(self, axes: Axes):
        self.axes = axes
        self.fired: dict[str, list[Firing]] = {}

    def keep(self, name: str, segment: int, tensor: Tensor) -> None:
        """Take down one firing."""
        self.fired.setdefault(name, []).append(Firing(segment, tensor))

    def of_one_segment(self) -> dict[str, Tensor]:
        """Name to tensor, when all is of one segment: the first firing of each point."""
        return {name: fired[0].tensor for name, fired in self.fired.items()}

    def segments(self, name: str) -> list[int]:
        """The segments in which a point fired, in order."""
        return sorted({firing.segment for firing in self._of(name)})

    def firings(self, name: str, segment: int) -> list[Tensor]:
        """Everything that passed through a point in a segment, in the order in which it did.

        Raises
        ------
        PointError
            When it did not fire there.
        """
        found = [firing.tensor for firing in self._of(name) if firing.segment == segment]
        if not found:
            there = self.segments(name)
            raise PointError(
                f"'{name}' did not fire in segment {segment}; it did in {len(there)}, from {there[0]} to {there[-1]}"
            )
        return found

    def _of(self, name: str) -> list[Firing]:
        if name not in self.fired:
            raise PointError(f"nothing is cached of '{name}'; {closest(name, self.fired)}")
        return self.fired[name]

    def _one(self, name: str, segment: int) -> Tensor:
        found = self.firings(name, segment)
        if len(found) > 1:
            raise PointError(
                f"'{name}' fired {len(found)} times in segment {segment}; take one of cache.firings('{name}', {segment})"
            )
        return found[0]

    def __getitem__(self, key: str | tuple[str, int] | tuple[str, int, int]) -> Tensor:
        if isinstance(key, str):
            parts = [self._one(key, segment) for segment in self.segments(key)]
            if len({part.shape for part in parts}) > 1:
                raise PointError(
                    f"'{key}' has another shape in other segments ({', '.join(sorted({str(tuple(p.shape)) for p in parts}))}); "
                    f"take them one by one: cache['{key}', t]"
                )
            return torch.stack(parts)
        name, segment, *place = key
        tensor = self._one(name, segment)
        if not place:
            return tensor
        dims = self.axes.get(name.removesuffix("_grad"), ())
        axis = next((dim for dim in ("slot", "working", "entry") if dim in dims), None)
        if axis is None:
            raise PointError(f"'{name}' has no slots; its axes are {', '.join(dims) or 'none'}: index cache[name, t]")
        # counted from the end: a batch axis may have been taken out
        return tensor.select(tensor.dim() - len(dims) + dims.index(axis), place[0])

    def __iter__(self) -> Iterator[str]:
        return iter(self.fired)

    def __len__(self) -> int:
        return len(self.fired)

    def __contains__(self, name: object) -> bool:
        return name in self.fired

    def __repr__(self) -> str:
        segments = {firing.segment for fired in self.fired.values() for firing in fired}
        return f"TemporalCache({len(self)} points, {len(segments)} segments)"


class TimedModule(HookedRootModule):
    """A HookedRootModule whose points know the time.

    All of TransformerLens's contract holds. Added: ``hook.segment``, ``at`` in place of a name, and an error where a name, or a function on
    names, matches no point.
    """

    def setup(self) -> None:
        """Name all points and give them one clock."""
        super().setup()
        self.clock = Clock()
        for point in self.hook_dict.values():
            if isinstance(point, HookPoint):
                point.clock = self.clock

    def axes(self) -> Axes:
        """Axes of every point after ``sequence``; none are known unless a model says so."""
        return {}

    def enter(self, segment: Tensor) -> None:
        """Say which segment comes, int64 (sequence,): that of the first sequence. Costs nothing while there are no hooks."""
        if any(point.fwd_hooks or point.bwd_hooks for point in self.hook_dict.values()):
            self.clock.segment = int(segment[0])

    # names

    def _points(self, name: "str | Callable[[str], bool]") -> list[str]:
        """The points that a name, or a function on names, chooses.

        Raises
        ------
        PointError
            When it chooses none.
        """
        if isinstance(name, str):
            if name in self.hook_dict:
                return [name]
            raise PointError(f"no hook point is called '{name}'; {closest(name, self.hook_dict)}")
        found = [point for point in self.hook_dict if name(point)]
        if not found:
            raise PointError(
                f"the function on names chose none of {len(self.hook_dict)} hook points, such as "
                f"'{next(iter(self.hook_dict))}'; names are in model.hook_dict"
            )
        return found

    def _placed(self, name: Any, hook: Hook) -> Hook:
        if not isinstance(name, At):
            return hook
        return addressed(hook, name, self.axes().get(name, ()))

    def add_hook(
        self,
        name: "str | Callable[[str], bool]",
        hook: Hook,
        dir: Literal["fwd", "bwd"] = "fwd",
        is_permanent: bool = False,
        level: int | None = None,
        prepend: bool = False,
    ) -> None:
        """Add a hook at a name, an ``at``, or all points whose names a function chooses."""
        placed = self._placed(name, hook)
        for point in self._points(name):
            super().add_hook(str(point), placed, dir, is_permanent, level, prepend)

    def _enable_hook(self, name: Any, hook: Hook, dir: Literal["fwd", "bwd"]) -> None:
        """What ``hooks``, ``run_with_hooks`` and ``run_with_cache`` add theirs by."""
        placed = self._placed(name, hook)
        for point in self._points(name):
            self._enable_hook_with_name(str(point), placed, dir)

    # caches

    def get_caching_hooks(
        self,
        names_filter: Any = None,
        incl_bwd: bool = False,
        device: Any = None,
        remove_batch_dim: bool = False,
        cache: Any = None,
        pos_slice: Any = None,
    ) -> tuple[Any, list[Any], list[Any]]:
        """Hooks that fill a ``TemporalCache``; ``pos_slice`` cuts the axis ``token`` of the points that have it."""
        cache = TemporalCache(self.axes()) if cache is None else cache
        axes, cut = self.axes(), Slice.unwrap(pos_slice)

        def save(tensor: Tensor, hook: HookPoint, suffix: str = "") -> None:
            kept = tensor.detach().clone() if device is None else tensor.detach().to(device, copy=True)
            dims = axes.get(str(hook.name), ())
            if "token" in dims:
                kept = cut.apply(kept, dim=1 + dims.index("token"))
            if remove_batch_dim and kept.shape[0] == 1:
                kept = kept[0]
            cache.keep(f"{hook.name}{suffix}", hook.segment, kept)

        names = self._chosen(names_filter)
        self.is_caching = True
        forwards = [(name, save) for name in names]
        backwards = [(name, partial(save, suffix="_grad")) for name in names] if incl_bwd else []
        return cache, forwards, backwards

    def _chosen(self, names_filter: Any) -> list[str]:
        if names_filter is None:
            return list(self.hook_dict)
        if not isinstance(names_filter, list | tuple | set | frozenset):
            return self._points(names_filter)
        wanted = {point for name in names_filter for point in self._points(name)}
        return [name for name in self.hook_dict if name in wanted]
