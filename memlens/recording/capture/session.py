"""One run over streams, with hooks that copy what is recorded; it may begin in the middle, or where a recording was cut off."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

from torch import Tensor

from memlens.errors import RecordingError
from memlens.model.model import MemoryModel
from memlens.model.run import Change, Result, run
from memlens.model.state import MemoryState
from memlens.recording.capture.labels import EntryLabels
from memlens.recording.capture.options import RecordOptions
from memlens.recording.capture.point_selection import SelectedPoint, variables
from memlens.recording.capture.resume import restore_labels, restored
from memlens.recording.capture.segment_rows import PATTERN, SegmentPart, SegmentRows, tensors_of
from memlens.recording.capture.unseen_entries import Start, UnseenEntries
from memlens.recording.capture.writer import RecordingWriter
from memlens.recording.reading.recording import Recording
from memlens.streams.encoded import EncodedStream


class CopyPoints(Change):
    """Copies the tensors at points in a segment, and keeps the state before it; it comes after all other changes of a run.

    Parameters
    ----------
    names : list of str
        Points.
    wants : function
        Whether a point is recorded in a segment: ``wants(name, segment)``.
    """

    def __init__(self, names: Sequence[str], wants: Callable[[str, int], bool]):
        self.names, self.wants = names, wants
        self.tensors: dict[str, Tensor] = {}
        self.before: MemoryState | None = None

    def hooks(self, model: Any) -> Sequence[tuple[str, Any]]:
        """One a point, which copies."""

        def keep(tensor: Tensor, hook: Any) -> None:
            if self.wants(hook.name, hook.segment):
                self.tensors[hook.name] = tensor.detach().clone()

        return [(name, keep) for name in self.names]

    @contextmanager
    def attached(self, model: MemoryModel) -> Iterator[None]:
        """The same copies by torch's own hooks, which stay for the whole run and run last: the cheapest way to see a tensor."""

        def keep(point: Any, _: Any, tensor: Tensor) -> None:
            if self.wants(point.name, point.clock.moment.segment):
                self.tensors[point.name] = tensor.detach().clone()

        handles = [model.hook_dict[name].register_forward_hook(keep) for name in self.names]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def edit(self, model: Any, segment: int, state: MemoryState) -> MemoryState:
        """Keep the state before a segment.

        Parameters
        ----------
        model : MemoryModel
        segment : int
        state : MemoryState

        Returns
        -------
        MemoryState
            The same.
        """
        self.before = state
        return state

    def taken(self) -> dict[str, Tensor]:
        """What was copied since the last call."""
        taken, self.tensors = self.tensors, {}
        return taken


class Session:
    """One run over streams, from a state on, and what is recorded of it.

    Parameters
    ----------
    model : MemoryModel
    streams : list of EncodedStream
        One a sequence.
    selected : list of SelectedPoint
        The points to record.
    start : Start
        The first segment to record, and the state before it.
    options : RecordOptions
        Its ``parent`` knows the entries that are held at the start.
    """

    def __init__(
        self,
        model: MemoryModel,
        streams: Sequence[EncodedStream],
        selected: Sequence[SelectedPoint],
        start: Start,
        options: RecordOptions,
    ):
        self.model, self.streams, self.selected, self.start = model, streams, selected, start
        self.options, self.interventions = options, options.interventions
        self.total = max(one.n_segment(model.cfg.segment_length) for one in streams)
        self.labels = [EntryLabels(one.modality, one.fact) for one in streams]
        self.unseen = UnseenEntries(model, streams, self.labels, options.parent)
        # segments before `todo` are recorded; the run begins at `begin`, which may be earlier
        self.todo, self.begin = start.segment, start
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.by_name = {one.point.name: one for one in selected}
        self.always = {PATTERN, *(one.point.name for one in selected if one.always)}

    def resume(self, there: Recording) -> None:
        """Begin at the last state that a recording has, and record only the segments that it lacks."""
        self.todo = self.start.segment + there.n_rows("segments")
        # an intervention may carry something of its own from segment to segment, so it sees all of them
        if len(there.states) and not self.interventions:
            first, tensors = there.state(self.todo)
            self.begin = Start(first, restored(self.start.state, tensors))
        restore_labels(there, self.labels)
        points = there.segments
        self.shapes = {name: (len(self.streams), *points[name].shape[2:]) for name in self.by_name}

    def record(self, path: Path, attrs: Mapping[str, Any]) -> None:
        """Run to the end and write a recording.

        Parameters
        ----------
        path : path
            Its folder; with ``options.resume``, a recording that is there is continued.
        attrs : dict
            Root attributes.
        """
        progress = self.options.progress
        with closing(self._parts()) as parts:
            # the shape of a point's tensor is known after the first segment
            first = next(parts, None)
            with self._writer(path, attrs) as writer:
                for part in chain(() if first is None else (first,), parts):
                    writer.put(part)
                    if progress is not None:
                        said = f"segments recorded: {writer.committed} committed"
                        progress(part.result.segment + 1, self.total, said)

    def _parts(self) -> Generator[SegmentPart]:
        """Run, and give what is to be recorded of each segment that is not recorded yet."""
        names = sorted({PATTERN, *self.by_name})
        seen = CopyPoints(names, self._wants)
        # points are recorded after all interventions
        changes = [*self.interventions, seen] if self.interventions else []
        with nullcontext() if self.interventions else seen.attached(self.model):
            for result in run(
                self.model, self.streams, state=self.begin.state, first=self.begin.segment, changes=changes
            ):
                tensors = seen.taken()
                if result.segment == self.begin.segment:
                    _check_fired({name for name in names if self._wants(name, result.segment)}, tensors)
                    self.shapes = self.shapes or {name: tuple(tensors[name].shape) for name in self.by_name}
                if result.segment >= self.todo:
                    yield SegmentPart(result, tensors, self._states(result), self._edited(result, seen))

    def _wants(self, name: str, segment: int) -> bool:
        """Whether a point is recorded in a segment. In the first one all are, to know their shapes."""
        return not self.shapes or name in self.always or self.by_name[name].at(segment)

    def _states(self, result: Result) -> dict[int, MemoryState]:
        """States to save with a segment: the one after it; with the first segment, also the one before it."""
        every, before = self.options.states_every, result.segment + 1
        if not every:
            return {}
        states = {result.segment: self.start.state} if result.segment == self.start.segment else {}
        return {**states, before: result.state} if before % every == 0 or before == self.total else states

    def _edited(self, result: Result, seen: CopyPoints) -> tuple[MemoryState, ...]:
        """States before a segment whose entries may differ from those after the segment before."""
        begins = [self.start.state] if 0 < result.segment == self.start.segment else []
        return (*begins, *([seen.before] if self.interventions and seen.before is not None else []))

    def _writer(self, path: Path, attrs: Mapping[str, Any]) -> RecordingWriter:
        model, cfg, tokenizer = self.model, self.model.cfg, self.model.tokenizer
        rows = SegmentRows(model, self.selected, self.labels, self.shapes, self.unseen.edited)
        return RecordingWriter(
            path,
            points=variables(self.selected, self.shapes),
            sizes={
                "read": min(cfg.retrieve, cfg.n_slots + cfg.working_slots + sum(cfg.capacities)),
                "feature": len(model.control_names),
                "byte": sum(value.nbytes for value in tensors_of(self.start.state).values()),
            },
            coordinates={"entry_level": rows.level, "feature": list(model.control_names)},
            attrs=attrs,
            vocab=[tokenizer.id_to_token(i) or "" for i in range(tokenizer.get_vocab_size())],
            commit_every=self.options.commit_every,
            dtype=self.options.dtype,
            rows=rows,
            resume=self.options.resume,
        )


def _check_fired(expected: set[str], seen: Mapping[str, Tensor]) -> None:
    silent = sorted(expected - set(seen))
    if silent:
        raise RecordingError(f"{', '.join(silent)} did not fire in the first segment; record the eager, whole model")
