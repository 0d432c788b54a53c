"""What differs between two recordings of one stream: answers, losses, decisions, entries and states. No torch.

Segments are aligned by their number in the stream, questions by the position they were asked at, decisions and entries by id. A child that
begins later is compared from there on. Values are compared as they were recorded: what float16 cannot distinguish is equal.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from memlens.calls import checked
from memlens.dims import Action
from memlens.errors import RecordingError
from memlens.recording import Recording
from memlens.recording.protocol import as_recording

#: Beginnings of points' names in the order in which a step fires them. Inside of a part, points are listed in that order.
FIRING = (
    "encoders",
    "blocks",
    "hook_hidden",
    "importance",
    "context",
    "controller",
    "compressor",
    "working",
    "store",
    "lm_head",
)
#: Segments read at once.
BLOCK = 64
QUESTION_KEYS = ["sequence", "position", "text", "answer"]
DECISION_KEYS = ["sequence", "segment", "entry"]
#: Means over questions, child less parent.
CHANGES = ("loss_change", "correct_change")
#: In the place of an action where one of the two recordings has no such decision.
ABSENT = "-"


@dataclass(frozen=True)
class Divergence:
    """Where two recordings first differ: the segment, and the first point in firing order that differs there."""

    segment: int
    point: str


@dataclass(frozen=True)
class Comparison:
    """Parent against child; every change is child less parent.

    Attributes
    ----------
    first : Divergence or None
        None where nothing that was recorded differs.
    points : xarray.Dataset
        ``largest(point, segment)``: the largest absolute difference, over sequences; 0 where all is equal. Points in firing order.
    questions : xarray.Dataset
        One row for each question: ``correct``, ``loss`` (nat/token) and ``predicted``, each with ``_parent`` and ``_child``; ``distance``,
        tokens.
    decisions : xarray.Dataset
        One row for each decision that differs, or was taken in one of the two only: ``parent`` and ``child``, the actions executed.
    entries : xarray.Dataset
        One row for each entry whose life differs: the segment in which it ``died`` and its ``fate``, of both.
    by_distance : xarray.Dataset
        Over questions, by distance of the fact: ``n``, ``loss_change``, ``correct_change``, means.
    segments : xarray.Dataset
        ``bits_per_byte_change(sequence, segment)`` of next-token prediction, and ``start(segment)``.
    """

    first: Divergence | None
    points: xr.Dataset
    questions: xr.Dataset
    decisions: xr.Dataset
    entries: xr.Dataset
    by_distance: xr.Dataset
    segments: xr.Dataset

    def summary(self) -> dict[str, Any]:
        """The main figures, as JSON can hold them."""
        q, points = self.questions, self.points
        changed = (points["largest"] > 0).any("segment").values
        return {
            "first": None if self.first is None else {"segment": self.first.segment, "point": self.first.point},
            "points_changed": [str(name) for name in points["point"].values[changed]],
            "questions": int(q.sizes["question"]),
            "answers_changed": int((q["predicted_parent"] != q["predicted_child"]).sum()),
            "correct_parent": int(q["correct_parent"].sum()),
            "correct_child": int(q["correct_child"].sum()),
            "loss_change": float((q["loss_child"] - q["loss_parent"]).mean()) if q.sizes["question"] else None,
            "decisions_changed": int(self.decisions.sizes["decision"]),
            "entries_changed": int(self.entries.sizes["entry_row"]),
            "by_distance": [
                {name: self.by_distance[name].values[i].item() for name in ("low", "high", "n", *CHANGES)}
                for i in range(self.by_distance.sizes["distance"])
            ],
        }


@checked()
def compare(parent: Recording, child: Recording) -> Comparison:
    """Say what differs between two recordings of one stream.

    Parameters
    ----------
    parent, child : Recording
        Changes are child less parent.

    Returns
    -------
    Comparison

    Raises
    ------
    RecordingError
        When one is not a recording, or the two have other streams, segment lengths or sizes, or no segment in common.
    """
    _refuse_unlike(parent, child)
    common = np.intersect1d(parent.tables.segments.segment, child.tables.segments.segment)
    if not common.size:
        raise RecordingError(f"'{parent.path}' and '{child.path}' have no segment in common; record more of one")
    points = _points(parent, child, common)
    decisions = _decisions(parent, child, common)
    questions = _questions(parent, child, common)
    segments = [r.segments[["bits_per_byte", "start"]].sel(segment=common).load() for r in (parent, child)]
    bits = segments[1]["bits_per_byte"] - segments[0]["bits_per_byte"]
    return Comparison(
        first=_first(points, decisions),
        points=points,
        questions=questions,
        decisions=decisions,
        entries=_entries(parent, child, int(common[0])),
        by_distance=_by_distance(questions),
        segments=xr.Dataset({"bits_per_byte_change": bits}).assign_coords(start=segments[0]["start"]),
    )


def _refuse_unlike(parent: Recording, child: Recording) -> None:
    """RecordingError, naming what differs, when two recordings are not of one stream in segments of one length."""
    as_recording(parent, "parent")
    as_recording(child, "child")
    infos = [parent.info, child.info]
    found = {
        "streams": [f"{info.stream.name} ({', '.join(one.sha256[:12] for one in info.streams)})" for info in infos],
        "segment lengths": [info.segment_length for info in infos],
    }
    shared = _shared(parent, child)
    shapes = {name: [dict(r.segments[name].sizes) | {"segment": 0} for r in (parent, child)] for name in shared}
    found |= {f"sizes of {name}": pair for name, pair in shapes.items()}
    for what, (one, other) in found.items():
        if one != other:
            raise RecordingError(
                f"'{parent.path}' and '{child.path}' cannot be compared, their {what} differ: {one} and {other}; compare recordings of one "
                "stream by models of the same sizes"
            )


def firing_order(name: str) -> int:
    """Which part of a step a point belongs to; points of one part keep their order."""
    return next((i for i, start in enumerate(FIRING) if name.startswith(start)), len(FIRING))


def _shared(parent: Recording, child: Recording) -> list[str]:
    listed = [point.name for point in parent.info.points]
    return sorted((name for name in listed if name in child.segments and name in parent.segments), key=firing_order)


def _points(parent: Recording, child: Recording, common: np.ndarray) -> xr.Dataset:
    names = _shared(parent, child)
    largest = np.zeros((len(names), len(common)))
    for low in range(0, len(common), BLOCK):
        rows = common[low : low + BLOCK]
        for i, name in enumerate(names):
            a, b = (r.segments[name].sel(segment=rows).values.astype(np.float64) for r in (parent, child))
            with np.errstate(invalid="ignore"):
                apart = np.abs(a - b)
            # equal infinities, and nothing on both sides, are no difference; nothing on one side is one without bound
            apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.where(np.isnan(apart), np.inf, apart))
            largest[i, low : low + BLOCK] = np.moveaxis(apart, 1, 0).reshape(len(rows), -1).max(1, initial=0.0)
    return xr.Dataset({"largest": (("point", "segment"), largest)}, {"point": names, "segment": common})


def _first(points: xr.Dataset, decisions: xr.Dataset) -> Divergence | None:
    differs = points["largest"].values > 0
    firsts = [(int(points["segment"].values[np.argmax(row)]), i) for i, row in enumerate(differs) if row.any()]
    found = [
        (segment, firing_order(name), i, name) for segment, i in firsts for name in [str(points["point"].values[i])]
    ]
    if decisions.sizes["decision"]:
        # after what the controller's points say, before what comes of it
        found.append((int(decisions["segment"].min()), FIRING.index("controller"), len(points["point"]), "decisions"))
    if not found:
        return None
    segment, _, _, name = min(found)
    return Divergence(segment, name)


def _frame(table: xr.Dataset, columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: table[name].values for name in columns})


def _both(
    parent: pd.DataFrame, child: pd.DataFrame, keys: list[str], how: Literal["inner", "outer"] = "outer"
) -> pd.DataFrame:
    """Rows of both side by side, in the order of their keys; rows of one key are matched in their own order."""
    numbered = [t.assign(nth=t.groupby(keys).cumcount()) for t in (parent, child)]
    return (
        numbered[0].merge(numbered[1], on=[*keys, "nth"], how=how, suffixes=("_parent", "_child")).drop(columns="nth")
    )


def _dataset(frame: pd.DataFrame, dim: str) -> xr.Dataset:
    return xr.Dataset({str(name): (dim, column.to_numpy()) for name, column in frame.items()})


def _since(table: xr.Dataset, common: np.ndarray) -> xr.Dataset:
    axis = next(iter(table["segment"].dims))
    return table.isel({axis: np.isin(table["segment"].values, common)})


def _questions(parent: Recording, child: Recording, common: np.ndarray) -> xr.Dataset:
    measured = ["correct", "loss", "predicted"]
    same = ["segment", "fact", "distance"]
    a = _frame(_since(parent.questions, common), [*QUESTION_KEYS, *same, *measured])
    b = _frame(_since(child.questions, common), [*QUESTION_KEYS, *measured])
    both = _both(a, b, QUESTION_KEYS, "inner").sort_values(["sequence", "position"], kind="stable")
    return _dataset(both, "question")


def _decisions(parent: Recording, child: Recording, common: np.ndarray) -> xr.Dataset:
    frames = [_frame(_since(r.decisions, common), [*DECISION_KEYS, "executed"]) for r in (parent, child)]
    both = _both(frames[0], frames[1], DECISION_KEYS)
    named = {int(action): action.name for action in Action}
    both["parent"], both["child"] = (both.pop(f"executed_{s}").map(named).fillna(ABSENT) for s in ("parent", "child"))
    other = pd.DataFrame(both[both["parent"] != both["child"]])
    return _dataset(other.sort_values(DECISION_KEYS), "decision")


def _entries(parent: Recording, child: Recording, first: int) -> xr.Dataset:
    keys = ["sequence", "entry"]
    frames = []
    for recording in (parent, child):
        rows = _frame(recording.entries, [*keys, "segment", "died", "fate"])
        # what was gone before the two have anything in common is no difference
        rows = pd.DataFrame(rows[(rows["died"] < 0) | (rows["died"] >= first)])
        # an entry that was put back lives from then on
        frames.append(rows.drop_duplicates(keys, keep="last"))
    both = _both(frames[0], frames[1], keys)
    here = both[["died_parent", "fate_parent", "died_child", "fate_child"]].fillna(-2)
    other = (here["died_parent"] != here["died_child"]) | (here["fate_parent"] != here["fate_child"])
    both[here.columns] = here.astype(int)
    both["segment"] = both.pop("segment_parent").fillna(both.pop("segment_child")).astype(int)
    return _dataset(pd.DataFrame(both[other]), "entry_row")


def _by_distance(questions: xr.Dataset) -> xr.Dataset:
    """Doubling distances from 512 tokens on; questions whose fact's distance is not known are left out."""
    distance = questions["distance"].values.astype(float)
    bins = np.where(distance < 512, 0, np.floor(np.log2(np.maximum(distance, 1) / 512)) + 1).astype(int)
    loss = (questions["loss_child"] - questions["loss_parent"]).values
    correct = questions["correct_child"].values.astype(float) - questions["correct_parent"].values.astype(float)
    here = np.unique(bins[distance >= 0])
    rows = [(bins == b) & (distance >= 0) for b in here]
    low = np.where(here == 0, 0, 512 * 2.0 ** (here - 1)).astype(int)
    return xr.Dataset(
        {
            "low": ("distance", low),
            "high": ("distance", (512 * 2.0**here).astype(int)),
            "n": ("distance", [int(row.sum()) for row in rows]),
            "loss_change": ("distance", [float(loss[row].mean()) for row in rows], {"unit": "nat/token"}),
            "correct_change": ("distance", [float(correct[row].mean()) for row in rows]),
        },
        {"distance": np.arange(len(here))},
    )
