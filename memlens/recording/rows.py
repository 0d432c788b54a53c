"""From one segment's result to rows: what a recording keeps of decisions, births, deaths and questions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memlens.dims import Action, Modality
from memlens.model.model import MemoryModel
from memlens.model.outputs import MemoryState
from memlens.model.run import Result
from memlens.recording.labels import EntryLabels
from memlens.recording.schema import CANDIDATE, RESIDENT
from memlens.streams.tokenizer import decode_answer

Columns = dict[str, Any]


def numpy_of(tensor: Any) -> np.ndarray:
    """Copy of a tensor, on this machine; bfloat16 becomes float32."""
    tensor = tensor.detach()
    if tensor.is_floating_point() and tensor.element_size() < 4:
        tensor = tensor.float()
    return tensor.cpu().clone().numpy()


def segment_arrays(model: MemoryModel, result: Result, n_bytes: np.ndarray) -> Columns:
    """Variables of ``/segments`` that are no points."""
    outputs, store = result.outputs, result.state.store
    level = numpy_of(model.entry_level)
    held = numpy_of(store.valid)
    n_level = len(model.cfg.capacities)
    text = numpy_of(outputs.text)
    token = np.stack([row["token"] for row in result.rows])
    spelled = (n_bytes[np.where(text, token, 0)] * text).sum(1)
    bits = (numpy_of(outputs.nats).astype(float) * text).sum(1) / np.log(2)
    return {
        "segment": result.segment,
        "start": result.segment * model.cfg.segment_length,
        "occupancy": np.stack([held[:, level == i].sum(1) for i in range(n_level)], 1),
        "entry_id": np.where(held, numpy_of(store.entry), -1),
        "n_valid": np.array([row["valid"].sum() for row in result.rows]),
        "bits_per_byte": np.where(spelled > 0, bits / np.maximum(spelled, 1), np.nan),
        "step_seconds": result.seconds,
    }


def position_columns(result: Result) -> Columns:
    """Columns of ``/positions``; padding has modality -1."""
    stacked = {name: np.stack([row[name] for row in result.rows]) for name in ("modality", "token", "fact", "valid")}
    valid = stacked.pop("valid")
    stacked["modality"] = np.where(valid, stacked["modality"], -1)
    return stacked


def payload_rows(result: Result) -> Columns:
    """One row a position that carries a payload."""
    parts = []
    for s, row in enumerate(result.rows):
        at = np.flatnonzero(row["valid"] & (row["modality"] != Modality.TEXT))
        start = result.segment * len(row["valid"])
        parts.append({"sequence": np.full(len(at), s), "position": start + at, "payload": row["payload"][at]})
    return _joined(parts)


def state_rows(states: Mapping[int, MemoryState]) -> Columns:
    """One row a state; the keys are the segments that they are the states before."""
    flat = [{name: numpy_of(tensor) for name, tensor in state.flat().items()} for state in states.values()]
    return {"before": list(states), **{name: np.stack([one[name] for one in flat]) for name in flat[0]}}


def decision_rows(model: MemoryModel, result: Result) -> Columns:
    """One row a live agent."""
    d = result.outputs.decisions
    entry = numpy_of(d.entry)
    sequence, agent = np.nonzero(entry >= 0)
    columns = {"entry": d.entry, "level": d.level, "wanted": d.wanted, "executed": d.action}
    columns |= {"q": d.q, "control": d.control}
    return {
        "sequence": sequence,
        "segment": np.full(len(sequence), result.segment),
        "agent": agent,
        "kind": np.where(agent < model.cfg.n_slots, CANDIDATE, RESIDENT),
        **{name: numpy_of(value)[sequence, agent] for name, value in columns.items()},
    }


def entry_rows(result: Result, pattern: np.ndarray, labels: Sequence[EntryLabels]) -> tuple[Columns, Columns]:
    """Births and deaths. ``pattern`` is (sequence, slot, head, window)."""
    b, d = result.outputs.births, result.outputs.decisions
    names = ("entry", "level", "slot", "position", "start", "end", "parent")
    all_births = {name: numpy_of(getattr(b, name)) for name in names}
    agents, action = numpy_of(d.entry), numpy_of(d.action)
    held = numpy_of(result.state.store.entry)
    births, deaths = [], []
    for s, known in enumerate(labels):
        there = all_births["entry"][s] >= 0
        born = {name: column[s][there] for name, column in all_births.items()}
        write = pattern[s].astype(np.float32).mean(1)
        modality, fact = known.born(born["entry"], born["slot"], born["position"], born["parent"], write)
        n = len(born["entry"])
        births.append(born | {"modality": modality, "fact": fact, "sequence": np.full(n, s),
                              "segment": np.full(n, result.segment)})  # fmt: skip
        known.keep(held[s])
        merges = born["entry"][born["slot"] < 0]
        live = agents[s] >= 0
        entry = np.concatenate((agents[s][live], merges))
        fate = np.concatenate((action[s][live], np.full(len(merges), Action.DISCARD)))
        gone = ~np.isin(entry, held[s])
        k = int(gone.sum())
        deaths.append({"sequence": np.full(k, s), "entry": entry[gone], "died": np.full(k, result.segment),
                       "fate": fate[gone]})  # fmt: skip
    return _joined(births), _joined(deaths)


def question_rows(model: MemoryModel, result: Result) -> Columns | None:
    """One row a question; None where none was asked."""
    answers = result.outputs.answers
    if answers is None:
        return None
    where = [(s, i) for s, asked in enumerate(result.asked) for i in range(len(asked))]
    asked = [result.asked[s][i] for s, i in where]
    at = tuple(np.array(where).T)
    token = numpy_of(answers.token)[at]
    none: Modality | int = -1
    per_question = {
        "segment": [result.segment] * len(asked),
        "position": [q.position for q in asked],
        "fact": [q.fact for q in asked],
        "fact_modality": [none if q.fact_modality is None else int(q.fact_modality) for q in asked],
        "distance": [q.distance for q in asked],
        "text": [q.text for q in asked],
        "answer": [q.answer for q in asked],
        "predicted": [decode_answer(model.tokenizer, ids) for ids in token.tolist()],
        "group": [q.group for q in asked],
    }
    names = ("correct", "loss", "read_entry", "read_weight", "read_kind")
    return {"sequence": at[0], **per_question, **{name: numpy_of(getattr(answers, name))[at] for name in names}}


def _joined(parts: list[dict[str, np.ndarray]]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
