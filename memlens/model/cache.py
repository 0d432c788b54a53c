"""What passed through hook points, kept over time: a cache with an axis of segments.

A point fires once a segment, those of the decoder once a token as well; ``TemporalCache`` keeps every firing in its own place.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property

import torch
from torch import Tensor

from memlens.errors import PointError, closest

#: Axes of a point after ``sequence``, by the point's name.
Axes = Mapping[str, tuple[str, ...]]
#: What the name of a point ends in where its gradient is meant.
GRADIENT = "_grad"


class Moment:
    """One step of a model: the segment that it reads, and whether that was all there was to read."""

    def __init__(self, where: Tensor, alone: bool):
        self._where = where
        self.alone = alone

    @cached_property
    def segments(self) -> list[int]:
        """Of each sequence; read from the device when somebody asks."""
        return self._where.tolist()

    @property
    def segment(self) -> int:
        """Of the first sequence."""
        return self.segments[0]


class TemporalCache(Mapping[str, Tensor]):
    """What points held, segment by segment; gradients under the name of the point and ``_grad``. All are copies.

    - ``cache[name]``: [segment, sequence, ...], all segments in which the point fired; ``segments(name)`` says which;
    - ``cache[name, t]``: [sequence, ...], segment t of the stream;
    - ``cache[name, t, slot]``: the same at one place of the slots' axis (of a store point: the entries' axis).

    A point of the decoder fires more than once a segment: ``firings(name, t)`` has them all, and indexing raises. After a single segment
    that was read alone, ``cache[name]`` is as in TransformerLens: [sequence, ...], and of several firings the first.

    When the model goes back in time, as it does when it reads another stream, what was kept from that segment on is dropped.
    """

    def __init__(self, axes: Axes):
        self.axes = axes
        self._moment: Moment | None = None
        #: name -> segment -> number of the firing in that segment -> tensor
        self._kept: dict[str, dict[int, dict[int, Tensor]]] = {}

    def keep(self, name: str, tensor: Tensor, moment: Moment, firing: int) -> None:
        """Keep what a point held.

        Parameters
        ----------
        name : str
            Of the point.
        tensor : Tensor
            A copy.
        moment : Moment
            The step in which it fired.
        firing : int
            How often it had fired in that step before.
        """
        if moment is not self._moment:
            if self._moment is not None and moment.segment <= self._moment.segment:
                self._forget(moment.segment)
            self._moment = moment
        self._put(name, tensor, moment, firing)

    def keep_gradient(self, name: str, tensor: Tensor, moment: Moment, firing: int) -> None:
        """Keep the gradient of what ``keep`` was given.

        Parameters
        ----------
        name : str
            Of the point.
        tensor : Tensor
            A copy of the gradient.
        moment, firing
            Those of the forward pass.
        """
        self._put(name + GRADIENT, tensor, moment, firing)

    def _put(self, name: str, tensor: Tensor, moment: Moment, firing: int) -> None:
        self._kept.setdefault(name, {}).setdefault(moment.segment, {})[firing] = tensor

    def _forget(self, start: int) -> None:
        before = {name: {t: kept[t] for t in kept if t < start} for name, kept in self._kept.items()}
        self._kept = {name: kept for name, kept in before.items() if kept}

    def segments(self, name: str) -> list[int]:
        """The segments in which a point fired, in order."""
        return sorted(self._of(name))

    def firings(self, name: str, segment: int) -> list[Tensor]:
        """Everything that passed through a point in a segment, in order; of gradients, that of the firings that have one.

        Parameters
        ----------
        name : str
            Of a point.
        segment : int
            From 0.

        Returns
        -------
        list of Tensor [sequence, ...]
            One a firing.

        Raises
        ------
        PointError
            When it did not fire there.
        """
        kept = self._of(name)
        if segment not in kept:
            raise PointError(
                f"'{name}' did not fire in segment {segment}; it did in {len(kept)}, from {min(kept)} to {max(kept)}"
            )
        return [tensor for _, tensor in sorted(kept[segment].items())]

    def _of(self, name: str) -> dict[int, dict[int, Tensor]]:
        if name not in self._kept:
            raise PointError(f"nothing is cached of '{name}'; {closest(name, self._kept)}")
        return self._kept[name]

    def _one(self, name: str, segment: int) -> Tensor:
        found = self.firings(name, segment)
        if len(found) > 1:
            raise PointError(
                f"'{name}' fired {len(found)} times in segment {segment}; take one of cache.firings('{name}', {segment})"
            )
        return found[0]

    def __getitem__(self, key: str | tuple[str, int] | tuple[str, int, int]) -> Tensor:
        if isinstance(key, str):
            return self._whole(key)
        name, segment, *place = key
        tensor = self._one(name, segment)
        if not place:
            return tensor
        dims = self.axes.get(name.removesuffix(GRADIENT), ())
        axis = next((dim for dim in ("slot", "working", "entry") if dim in dims), None)
        if axis is None:
            raise PointError(f"'{name}' has no slots; its axes are {', '.join(dims) or 'none'}: index cache[name, t]")
        # counted from the end: a batch axis may have been taken out
        return tensor.select(dims.index(axis) - len(dims), place[0])

    def _whole(self, name: str) -> Tensor:
        segments = self.segments(name)
        if self._moment is not None and self._moment.alone and self._n_segment() == 1:
            return self.firings(name, segments[0])[0]
        parts = [self._one(name, segment) for segment in segments]
        shapes = sorted({tuple(part.shape) for part in parts})
        if len(shapes) > 1:
            raise PointError(
                f"'{name}' has another shape in other segments ({', '.join(map(str, shapes))}); "
                f"take them one by one: cache['{name}', t]"
            )
        return torch.stack(parts)

    def _n_segment(self) -> int:
        return len({segment for kept in self._kept.values() for segment in kept})

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, name: object) -> bool:
        return name in self._kept

    def __repr__(self) -> str:
        return f"TemporalCache({len(self)} points, {self._n_segment()} segments)"
