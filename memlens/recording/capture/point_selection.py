"""Which points are recorded, in which segments, and how: ``NAME``, ``NAME@START:STOP:STEP`` or ``NAME@::STEP``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memlens.config import ModelConfig
from memlens.errors import RecordingError
from memlens.model.points import Point, points, select
from memlens.recording.format.schema import Variable

#: Groups whose points fire only where questions are asked: no dense arrays. What was read is in ``/questions``.
SPARSE = ("question", "retrieval", "decoder")
#: End of the name of the variable that holds the indices of recorded weights.
INDEX = ".index"
_TIMES = re.compile(r"(\d*)(?::(\d*)(?::(\d*))?)?")


@dataclass(frozen=True)
class SelectedPoint:
    """A point to record, the segments to record it in, and how much of it.

    Attributes
    ----------
    point : Point
    times : tuple of slice
        It is recorded in the segments of any of these.
    top : int
        Number of the largest weights along the last axis that are recorded, 0 for all.
    """

    point: Point
    times: tuple[slice, ...]
    top: int = 0

    def at(self, segment: int) -> bool:
        """Whether it is recorded in this segment."""
        return any(
            segment >= (time.start or 0)
            and (time.stop is None or segment < time.stop)
            and (segment - (time.start or 0)) % (time.step or 1) == 0
            for time in self.times
        )

    @property
    def always(self) -> bool:
        """Whether it is recorded in all segments."""
        return any(time == slice(None) for time in self.times)

    @property
    def when(self) -> str:
        """The segments, as they are written after the ``@``; "" for all."""
        return "" if self.always else ",".join(map(_written, self.times))

    def columns(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Variables of the recording from values [sequence, segment, ...]."""
        if not self.top:
            return {self.point.name: values}
        index = np.argsort(-values, -1, kind="stable")[..., : self.top]
        kept = np.take_along_axis(values, index, -1)
        return {self.point.name: kept, self.point.name + INDEX: index.astype(np.int32)}

    def described(self) -> dict[str, Any]:
        """Its row of the root attribute ``points``."""
        p = self.point
        return {"name": p.name, "group": p.group, "dims": p.dims, "unit": p.unit, "symbol": p.symbol,
                "meaning": p.meaning, "at": self.when, "top": self.top}  # fmt: skip


def select_points(config: ModelConfig, patterns: Sequence[str], attention_top: int = 0) -> tuple[SelectedPoint, ...]:
    """Select points by names, globs and groups.

    Parameters
    ----------
    config : ModelConfig
        Sizes of the model, which decide what points it has.
    patterns : list of str
        As ``RecordOptions.points``.
    attention_top : int
        Of points of the group "attention", the number of weights to record; 0 for all.

    Returns
    -------
    tuple of SelectedPoint
        In the order of ``memlens.model.points``.

    Raises
    ------
    RecordingError
        When a name chooses only points that fire where questions are asked, or its segments are no slice.
    PointError
        When a name matches nothing.
    """
    times: dict[str, list[slice]] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        name, marked, when = pattern.partition("@")
        found = select(config, name)
        dense = [p.name for p in found if p.group not in SPARSE]
        if not dense:
            raise RecordingError(
                f"'{pattern}' fires only where questions are asked, so it has no place in /segments; what "
                "questions read is in /questions; record points of other groups"
            )
        time = _slice(pattern, when) if marked else slice(None)
        for one in dense:
            times.setdefault(one, []).append(time)
    if not times:
        raise RecordingError("no points were given; give points=('default',) or names of points")
    return tuple(
        SelectedPoint(p, tuple(_unique(times[p.name])), attention_top if p.group == "attention" else 0)
        for p in points(config)
        if p.name in times
    )


def variables(selected: Sequence[SelectedPoint], shapes: dict[str, tuple[int, ...]]) -> list[Variable]:
    """Make variables of ``/segments`` for points.

    Parameters
    ----------
    selected : list of SelectedPoint
    shapes : dict
        Name of each point -> shape of its tensor, [sequence, ...].

    Returns
    -------
    list of Variable
        A dim has one size; where a point has another size, the size is part of the dim's name, such as ``head_4``.

    Raises
    ------
    RecordingError
        When a point has fewer weights than ``attention_top`` asks for.
    """
    sizes: dict[str, int] = {}
    made: dict[str, list[Variable]] = {}
    # those recorded by default keep the plain names, whatever else is recorded
    for one in sorted(selected, key=lambda one: not one.point.recorded):
        p, dims = one.point, []
        shape = shapes[p.name][1:]
        named = list(p.dims)
        if one.top:
            if one.top > shape[-1]:
                raise RecordingError(
                    f"attention_top is {one.top}, but '{p.name}' has {shape[-1]} weights; give at most as many"
                )
            named[-1], shape = f"{named[-1]}_top", (*shape[:-1], one.top)
        for dim, size in zip(named, shape, strict=True):
            plain = sizes.setdefault(dim, size) == size
            dims.append(dim if plain else f"{dim}_{size}")
        dtype = "float" if p.dtype == "float" else "int32"
        whole = ("sequence", "segment", *dims)
        made[p.name] = [Variable(p.name, whole, dtype, p.meaning, p.unit, p.symbol, p.group, one.when)]
        if one.top:
            meaning = f"where along {p.dims[-1]} the weights of {p.name} are, largest first"
            made[p.name].append(Variable(p.name + INDEX, whole, "int32", meaning, group=p.group, at=one.when))
    return [v for one in selected for v in made[one.point.name]]


def _slice(pattern: str, when: str) -> slice:
    found = _TIMES.fullmatch(when)
    if not when or found is None:
        raise RecordingError(f"'{pattern}' has segments '{when}', expected START:STOP:STEP, such as @0:200:10 or @::4")
    start, stop, step = (int(number) if number else None for number in found.groups())
    if ":" not in when:
        return slice(start, (start or 0) + 1)
    if step == 0 or (stop is not None and stop <= (start or 0)):
        raise RecordingError(f"'{pattern}' has segments '{when}', which are none; expected START:STOP:STEP")
    return slice(start, stop, step)


def _written(time: slice) -> str:
    ends = f"{'' if time.start is None else time.start}:{'' if time.stop is None else time.stop}"
    return ends if time.step is None else f"{ends}:{time.step}"


def _unique(times: Sequence[slice]) -> list[slice]:
    return [time for i, time in enumerate(times) if time not in times[:i]]
