"""Edits of what passes through a point: ablate, patch, clamp, noise, swap, scale."""

from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from memlens.errors import InterventionError
from memlens.interventions.base import Finite, Index
from memlens.interventions.point_edit import HookCall, PointEdit
from memlens.interventions.recorded_values import Source, drawn_from, mean_of, place_of, values_at
from memlens.recording import Recording


class NumericEdit(PointEdit):
    """An edit of quantities; ids, positions and actions are refused."""

    def _check_model(self, model: Any) -> None:
        super()._check_model(model)
        if self._now(model).point.dtype == "int":
            raise InterventionError(
                f"'{self.point}' holds ids or positions, not quantities; patch it from a recording, or force an action"
            )


class Ablate(NumericEdit):
    """Take out what a point says: by zeros, by a mean, or by values of the same point in another recording.

    ``by="mean"`` is the mean over all segments of ``source``, slot by slot (of the store, over all entries); without a source, the mean
    over the places that hold something in that very tensor. ``by="resample"`` draws a segment of ``source`` in every segment, seeded.
    """

    by: Literal["zero", "mean", "resample"] = "zero"
    source: Source | None = None
    seed: Index = 0

    @model_validator(mode="after")
    def _source(self) -> "Ablate":
        if (self.by == "resample") != (self.source is not None) and self.by != "mean":
            raise ValueError(f"by='{self.by}' takes {'a source' if self.by == 'resample' else 'no source'}")
        return self

    @cached_property
    def _recording(self) -> Recording:
        assert self.source is not None
        return self.source.open()

    @cached_property
    def _mean(self) -> np.ndarray:
        return mean_of(self._recording, self.point)

    def _new(self, tensor: Tensor, call: HookCall) -> Tensor:
        """Zeros, the mean, or what was drawn."""
        if self.by == "zero":
            return torch.zeros_like(tensor)
        if self.by == "resample":
            draw = np.random.default_rng((self.seed, call.segment, call.firing))
            return _like(tensor, drawn_from(self._recording, self.point, draw), self, call)
        if self.source is not None:
            mean = self._mean
            # of entries there is one mean for all places
            axes = call.point.dims if mean.ndim == len(call.point.dims) else call.point.dims[1:]
            return _like(tensor, mean, self, call, axes)
        if call.place_axis is None:
            raise InterventionError(f"'{self.point}' has no places to take a mean over; give by='mean' a source")
        there = call.held(tensor)
        axis = call.axes.index(call.place_axis) + tensor.dim() - len(call.axes)
        count = there.expand_as(tensor).sum(axis, keepdim=True).clamp_min(1)
        return ((tensor * there).sum(axis, keepdim=True) / count).expand_as(tensor)


class Patch(PointEdit):
    """Put in what the point held in a recording.

    Of the same segment, slot and entry, of sequence 0, unless ``from_segment``, ``from_sequence``, ``from_slot`` or ``from_entry`` say
    otherwise.
    """

    source: Source
    from_segment: Index | None = None
    from_sequence: Index = 0
    from_slot: Index | None = None
    from_entry: Index | None = None

    @model_validator(mode="after")
    def _from(self) -> "Patch":
        if self.from_slot is not None and self.slot is None:
            raise ValueError("from_slot says which slot takes the place of `slot`; give both")
        if self.from_entry is not None and self.entry is None:
            raise ValueError("from_entry says which entry takes the place of `entry`; give both")
        return self

    @cached_property
    def _recording(self) -> Recording:
        return self.source.open()

    def _new(self, tensor: Tensor, call: HookCall) -> Tensor:
        """The recorded value."""
        segment = call.segment if self.from_segment is None else self.from_segment
        recorded = values_at(self._recording, self.point, segment, self.from_sequence)
        axis = next((axis for axis in call.point.dims if axis == call.place_axis), None)
        place = self.from_slot
        if self.entry is not None and axis is not None:
            wanted = self.entry if self.from_entry is None else self.from_entry
            place = place_of(self._recording, wanted, segment, self.from_sequence, axis)
        if place is None or axis is None:
            return _like(tensor, recorded, self, call)
        at = call.point.dims.index(axis)
        if place >= recorded.shape[at]:
            raise InterventionError(f"from_slot is {place}, but '{self.point}' has {recorded.shape[at]} there")
        return _like(tensor, np.repeat(recorded.take([place], at), recorded.shape[at], at), self, call)


class Clamp(PointEdit):
    """Keep values within ``low`` and ``high``; with both the same, set them."""

    low: Finite | None = None
    high: Finite | None = None

    @model_validator(mode="after")
    def _bounds(self) -> "Clamp":
        if self.low is None and self.high is None:
            raise ValueError("give low, high or both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low is {self.low}, above high, {self.high}")
        return self

    def _new(self, tensor: Tensor, call: HookCall) -> Tensor:
        """Clamped."""
        return tensor.clamp(self.low, self.high)


class Noise(NumericEdit):
    """Add Gaussian noise of standard deviation ``std``, in the point's unit. The same in every run: it is seeded by segment."""

    std: Annotated[Finite, Field(ge=0)]
    seed: Index = 0

    def _new(self, tensor: Tensor, call: HookCall) -> Tensor:
        """With noise."""
        # one number of 63 bits from seed, segment and firing, so that a run that begins later draws the same
        words = np.random.SeedSequence((self.seed, call.segment, call.firing)).generate_state(2, np.uint32)
        random = torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)
        noise = torch.randn(tensor.shape, generator=random).to(tensor.device, tensor.dtype)
        return tensor + self.std * noise


class Scale(NumericEdit):
    """Multiply by ``factor``; a probability, such as a gate, stays one."""

    factor: Finite

    def _new(self, tensor: Tensor, call: HookCall) -> Tensor:
        """Scaled."""
        scaled = tensor * self.factor
        return scaled.clamp(0.0, 1.0) if call.point.unit == "probability" else scaled


class Swap(PointEdit):
    """Exchange what two places hold: slots, working slots, or places of the store."""

    first: Index
    second: Index

    @model_validator(mode="after")
    def _whole(self) -> "Swap":
        if self.slot is not None or self.entry is not None:
            raise ValueError("first and second are the places; slot and entry have no meaning here")
        return self

    def _new(self, tensor: Tensor, call: HookCall) -> Tensor:
        """With the two exchanged."""
        if call.place_axis is None:
            raise InterventionError(f"'{self.point}' has no slots to swap; its axes are {', '.join(call.axes)}")
        axis = call.axes.index(call.place_axis) + tensor.dim() - len(call.axes)
        n = tensor.shape[axis]
        if max(self.first, self.second) >= n:
            raise InterventionError(f"'{self.point}' has places 0 to {n - 1}; swap two of these")
        order = list(range(n))
        order[self.first], order[self.second] = self.second, self.first
        return tensor.index_select(axis, torch.tensor(order, device=tensor.device))


def _like(
    tensor: Tensor, recorded: np.ndarray, owner: PointEdit, call: HookCall, axes: tuple[str, ...] | None = None
) -> Tensor:
    """A recorded array with these axes (the point's, unless given) as a tensor in the place of another."""
    axes = call.point.dims if axes is None else axes
    for axis, index in owner.places.items():
        if axis in axes:
            recorded = recorded.take(index, axes.index(axis))
            axes = tuple(a for a in axes if a != axis)
    value = torch.from_numpy(np.ascontiguousarray(recorded)).to(tensor.device, tensor.dtype)
    want = tensor.shape[tensor.dim() - value.dim() :]
    if value.shape != want:
        raise InterventionError(
            f"'{owner.point}' has shape {tuple(value.shape)} in the recording, expected {tuple(want)}: take one of a model of these sizes"
        )
    return value.expand_as(tensor)
