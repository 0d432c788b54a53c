"""From the results of a few segments to rows: arrays, decisions, births, deaths and questions.

It runs in the writer's thread, on a block of T segments at once: each call costs the interpreter time that the model
lacks meanwhile. Axes here: sequence, segment (T, of the block), then the tensor's own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memlens.dims import Action, Modality
from memlens.model.model import MemoryModel
from memlens.model.run import Result
from memlens.model.state import MemoryState
from memlens.recording.capture.labels import EntryLabels
from memlens.recording.capture.point_selection import SelectedPoint
from memlens.recording.format.schema import CANDIDATE, RESIDENT
from memlens.recording.format.sparse import Sparse
from memlens.recording.format.states import pack
from memlens.recording.reading.entry_index import EntryIndex
from memlens.streams.tokenizer import decode_answer, token_bytes

#: Values of each variable of a group, row by row.
RowColumns = dict[str, Any]
#: Always copied: the label of an entry follows from what it was written from.
PATTERN = "context.hook_pattern"


@dataclass(frozen=True)
class SegmentPart:
    """What is recorded of one segment.

    Attributes
    ----------
    result : Result
    seen : dict
        Copies of the points' tensors.
    states : dict
        States to save, by the segment that they are before.
    edited : list of MemoryState
        States just before the segment whose entries may differ from those after the segment before: where a run begins, and after an
        intervention.
    """

    result: Result
    seen: Mapping[str, Tensor]
    states: Mapping[int, MemoryState] = field(default_factory=dict)
    edited: Sequence[MemoryState] = ()


def numpy_of(tensor: Tensor) -> np.ndarray:
    """A tensor as an array, on this machine; bfloat16 becomes float32. Its memory may be shared."""
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.cpu().numpy()


def tensors_of(state: MemoryState) -> dict[str, np.ndarray]:
    """Arrays of a state, by name."""
    return {name: numpy_of(tensor) for name, tensor in state.flat().items()}


class SegmentRows:
    """Makes rows of the segments of one run; call it with each block in turn.

    Parameters
    ----------
    model
    selected
        Points to record, and how.
    labels
        Labels of entries, one a sequence.
    shapes
        Of the points' tensors, (sequence, ...).
    edited
        Births and deaths that show in states before a segment: ``UnseenEntries.edited``.
    """

    def __init__(
        self,
        model: MemoryModel,
        selected: Sequence[SelectedPoint],
        labels: Sequence[EntryLabels],
        shapes: Mapping[str, tuple[int, ...]],
        edited: Callable[..., tuple[RowColumns, RowColumns] | None],
    ):
        self.model, self.selected, self.labels, self.shapes, self.edited = model, selected, labels, shapes, edited
        self.level = numpy_of(model.entry_level)
        self.n_bytes = token_bytes(model.tokenizer)

    def __call__(self, parts: list[SegmentPart]) -> dict[str, RowColumns]:
        """Columns by group."""
        results = [part.result for part in parts]
        at = np.array([result.segment for result in results])
        held = _stacked([r.state.store.entry for r in results])
        held = np.where(_stacked([r.state.store.valid for r in results]), held, -1)
        entered = {name: np.stack([[row[name] for row in r.rows] for r in results], 1)
                   for name in ("modality", "token", "fact", "valid")}  # fmt: skip
        births, deaths = self._entries(parts, at, held)
        rows = {
            "segments": {**self._segment_columns(results, at, held, entered), **self._points(parts, at)},
            "positions": _position_columns(entered),
            "decisions": self._decision_rows(results, at),
            "entries": births,
            "deaths": deaths,
            "payloads": _payload_rows(results),
            "questions": self._question_rows(results),
            "states": _state_rows(parts),
        }
        return {name: columns for name, columns in rows.items() if columns}

    def _points(self, parts: list[SegmentPart], at: np.ndarray) -> RowColumns:
        columns: RowColumns = {}
        for one in self.selected:
            there = range(len(at)) if one.always else [i for i, t in enumerate(at) if one.at(int(t))]
            values = [parts[i].seen[one.point.name] for i in there]
            n_sequence, *rest = self.shapes[one.point.name]
            stacked = numpy_of(torch.stack(values, 1)) if values else np.zeros((n_sequence, 0, *rest), np.float32)
            for name, part in one.columns(stacked).items():
                columns[name] = part if len(there) == len(parts) else Sparse(len(parts), there, part)
        return columns

    def _segment_columns(
        self, results: Sequence[Result], at: np.ndarray, held: np.ndarray, entered: Mapping[str, np.ndarray]
    ) -> RowColumns:
        n_level, valid = len(self.model.cfg.capacities), held >= 0
        text = _stacked([r.outputs.text for r in results])
        spelled = (self.n_bytes[np.where(text, entered["token"], 0)] * text).sum(-1)
        bits = (_stacked([r.outputs.nats for r in results]).astype(float) * text).sum(-1) / np.log(2)
        return {
            "segment": at,
            "start": at * self.model.cfg.segment_length,
            "occupancy": np.stack([valid[..., self.level == i].sum(-1) for i in range(n_level)], -1),
            "entry_id": held,
            "n_valid": entered["valid"].sum(-1),
            "bits_per_byte": np.where(spelled > 0, bits / np.maximum(spelled, 1), np.nan),
            "step_seconds": [r.seconds for r in results],
        }

    def _decision_rows(self, results: Sequence[Result], at: np.ndarray) -> RowColumns:
        """One row a live agent: by segment, then sequence."""
        made = [r.outputs.decisions for r in results]
        entry = _stacked([d.entry for d in made])
        segment, sequence, agent = np.nonzero(entry.swapaxes(0, 1) >= 0)
        names = {
            "entry": "entry",
            "level": "level",
            "wanted": "wanted",
            "executed": "action",
            "q": "q",
            "control": "control",
        }
        return {
            "sequence": sequence,
            "segment": at[segment],
            "agent": agent,
            "kind": np.where(agent < self.model.cfg.n_slots, CANDIDATE, RESIDENT),
            **{
                column: _stacked([getattr(d, name) for d in made])[sequence, segment, agent]
                for column, name in names.items()
            },
        }

    def _entries(self, parts: Sequence[SegmentPart], at: np.ndarray, held: np.ndarray) -> tuple[RowColumns, RowColumns]:
        """Births and deaths. Those that were edited come before the others of their segment."""
        if not any(part.edited for part in parts):
            return self._entry_rows(parts, at, held)
        found = []
        for i, part in enumerate(parts):
            found.append(self.edited(part.result.segment, *part.edited))
            found.append(self._entry_rows([part], at[i : i + 1], held[:, i : i + 1]))
        births, deaths = zip(*(rows for rows in found if rows is not None), strict=True)
        return concatenated(births), concatenated(deaths)

    def _entry_rows(
        self, parts: Sequence[SegmentPart], at: np.ndarray, held: np.ndarray
    ) -> tuple[RowColumns, RowColumns]:
        """Births and deaths, by segment, then sequence."""
        births, decisions = ([getattr(p.result.outputs, name) for p in parts] for name in ("births", "decisions"))
        names = ("entry", "level", "slot", "position", "start", "end", "parent")
        born = {name: _stacked([getattr(b, name) for b in births]) for name in names}
        # shares of the window, averaged over heads; (sequence, segment, slot, window)
        write = numpy_of(torch.stack([p.seen[PATTERN].detach().float().mean(2) for p in parts], 1))
        agents, action = (_stacked([getattr(d, name) for d in decisions]) for name in ("entry", "action"))
        segment, sequence, place = np.nonzero(born["entry"].swapaxes(0, 1) >= 0)
        rows = {name: column[sequence, segment, place] for name, column in born.items()}
        merged = rows["slot"] < 0
        ids = np.concatenate((agents[agents >= 0], rows["entry"][merged]))
        where = np.nonzero(agents >= 0)
        of = (np.concatenate((where[0], sequence[merged])), np.concatenate((where[1], segment[merged])))
        fate = np.concatenate((action[agents >= 0], np.full(int(merged.sum()), int(Action.DISCARD))))
        gone = ~_is_in(ids, of, held)
        order = np.lexsort((of[0][gone], of[1][gone]))
        deaths = {"sequence": of[0][gone][order], "entry": ids[gone][order], "died": at[of[1][gone]][order],
                  "fate": fate[gone][order]}  # fmt: skip
        rows |= {"sequence": sequence, "segment": at[segment]}
        rows["modality"], rows["fact"] = self._labelled(rows, sequence, segment, write, held)
        return rows, deaths

    def _labelled(
        self, rows: RowColumns, sequence: np.ndarray, segment: np.ndarray, write: np.ndarray, held: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        modality, fact = np.full(len(segment), -1), np.full(len(segment), -1)
        for s, known in enumerate(self.labels):
            own = np.flatnonzero(sequence == s)
            of = {name: rows[name][own] for name in ("entry", "slot", "position", "parent")}
            modality[own], fact[own] = known.born(**of, write=write[s, segment[own], np.maximum(of["slot"], 0)])
            known.keep(held[s, -1])
        return modality, fact

    def _question_rows(self, results: Sequence[Result]) -> RowColumns | None:
        """One row a question; None where none was asked."""
        found = [self._asked(r) for r in results if r.outputs.answers is not None]
        return concatenated(found) if found else None

    def _asked(self, result: Result) -> RowColumns:
        answers: Any = result.outputs.answers
        where = [(s, i) for s, asked in enumerate(result.asked) for i in range(len(asked))]
        asked = [result.asked[s][i] for s, i in where]
        at = tuple(np.array(where).T)
        token = numpy_of(answers.token)[at]
        text = {
            "text": [q.text for q in asked],
            "answer": [q.answer for q in asked],
            "predicted": [decode_answer(self.model.tokenizer, ids) for ids in token.tolist()],
            "group": [q.group for q in asked],
        }
        names = ("correct", "loss", "read_entry", "read_weight", "read_kind")
        return {
            "sequence": at[0],
            "segment": np.full(len(asked), result.segment),
            "position": [q.position for q in asked],
            "fact": [q.fact for q in asked],
            "fact_modality": [-1 if q.fact_modality is None else int(q.fact_modality) for q in asked],
            "distance": [q.distance for q in asked],
            **{name: np.array(column, dtype=object) for name, column in text.items()},
            **{name: numpy_of(getattr(answers, name))[at] for name in names},
        }


def concatenated(parts: Sequence[RowColumns]) -> RowColumns:
    """Rows of several tables of the same columns as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _stacked(tensors: Sequence[Tensor]) -> np.ndarray:
    """Of T tensors (sequence, ...), one array (sequence, segment, ...)."""
    return numpy_of(torch.stack([tensor.detach() for tensor in tensors], 1))


def _position_columns(entered: Mapping[str, np.ndarray]) -> RowColumns:
    """Columns of ``/positions``, (sequence, position); padding has modality -1."""
    columns = {name: entered[name].reshape(len(entered[name]), -1) for name in ("modality", "token", "fact", "valid")}
    valid = columns.pop("valid")
    columns["modality"] = np.where(valid, columns["modality"], -1)
    return columns


def _payload_rows(results: Sequence[Result]) -> RowColumns:
    """One row a position that carries a payload."""
    parts = []
    for result in results:
        for s, row in enumerate(result.rows):
            at = np.flatnonzero(row["valid"] & (row["modality"] != Modality.TEXT))
            position = result.segment * len(row["valid"]) + at
            parts.append({"sequence": np.full(len(at), s), "position": position, "payload": row["payload"][at]})
    return concatenated(parts)


def _state_rows(parts: Sequence[SegmentPart]) -> RowColumns | None:
    """One row a state to save."""
    states = {before: state for part in parts for before, state in part.states.items()}
    if not states:
        return None
    return {"before": list(states), "tensors": np.stack([pack(tensors_of(state)) for state in states.values()])}


def _is_in(ids: np.ndarray, of: tuple[np.ndarray, np.ndarray], held: np.ndarray) -> np.ndarray:
    """Whether each id is held in its own sequence and segment."""
    n_segment = held.shape[1]
    sequence, segment, place = np.nonzero(held >= 0)
    known = EntryIndex(sequence * n_segment + segment, held[sequence, segment, place])
    return known.rows(of[0] * n_segment + of[1], ids) >= 0
