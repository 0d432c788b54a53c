"""Scores of answered questions: accuracy, loss, macro precision, recall and F1, with intervals, over all and over slices.

Axes: row (one question), stream (the sequence that asked it), measure (correct, loss), draw (one resample of the bootstrap).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_fscore_support

from memlens.dims import Modality
from memlens.stats.bootstrap import nested_means, percentiles

#: Modality of a fact that the stream does not name.
UNKNOWN = "unknown"
#: The first edge of the distance bins, in positions, and how much further each next one lies.
FIRST_EDGE, EDGE_RATIO = 512, 4


@dataclass(frozen=True)
class Answered:
    """One question and how it was answered.

    Attributes
    ----------
    policy : str
    seed, number : int
        Which stream asked it, and its place among the questions of that stream.
    modality : str
        Of the fact asked for; ``UNKNOWN`` where the stream does not say.
    distance : int
        Positions between the fact's last statement and the question; -1 when unknown.
    depth : float
        Where that statement ends, as a share of the stream; -1 when unknown.
    group : str
        What sets the question apart from others of its task.
    answer, predicted : str
        The right answer, and that of the model.
    correct : bool
        Whether every token of the answer is right, ``<eos>`` included.
    loss : float
        Nats per token of the right answer.
    """

    policy: str
    seed: int
    number: int
    modality: str
    distance: int
    depth: float
    group: str
    answer: str
    predicted: str
    correct: bool
    loss: float


def interval(draws: np.ndarray) -> tuple[float, float]:
    """The percentile interval (95 %) of draws [draw]."""
    low, high = percentiles(draws)
    return round(float(low), 6), round(float(high), 6)


def mean_scores(values: np.ndarray, stream: np.ndarray) -> dict[str, float]:
    """Means of accuracy and loss, each with its bootstrap interval.

    Parameters
    ----------
    values : float [row, measure]
        Accuracy and loss.
    stream : int [row]
        Which stream a row belongs to.

    Returns
    -------
    dict
        ``accuracy``, ``low``, ``high``, ``loss`` (nats per answer token), ``loss_low``, ``loss_high``.
    """
    draws = nested_means(values, stream)
    accuracy, loss = (round(float(mean), 6) for mean in values.mean(0))
    (low, high), (loss_low, loss_high) = interval(draws[:, 0]), interval(draws[:, 1])
    return {
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "loss": loss,
        "loss_low": loss_low,
        "loss_high": loss_high,
    }


def score(rows: Sequence[Answered]) -> dict[str, Any]:
    """n, accuracy with its bootstrap and Wilson intervals, loss (nats per answer token) with its bootstrap interval."""
    values = np.array([(row.correct, row.loss) for row in rows], float)
    wilson = binomtest(sum(row.correct for row in rows), len(rows)).proportion_ci(method="wilson")
    return {
        "n": len(rows),
        **mean_scores(values, np.array([row.seed for row in rows])),
        "wilson_low": round(float(wilson.low), 6),
        "wilson_high": round(float(wilson.high), 6),
    }


def classification(rows: Sequence[Answered]) -> dict[str, float]:
    """Macro precision, recall and F1 over the answers as classes; the classes are the right answers.

    A class that was never predicted has precision 0. A prediction that is no class counts only as a miss of the right class.
    """
    names = sorted({row.answer for row in rows})
    number = {name: i for i, name in enumerate(names)}
    right = [number[row.answer] for row in rows]
    said = [number.get(row.predicted, len(names)) for row in rows]
    scores = precision_recall_fscore_support(
        right,
        said,
        labels=list(range(len(names))),
        average="macro",
        zero_division=0,  # pyright: ignore[reportArgumentType]
    )
    return {name: round(float(value), 6) for name, value in zip(("precision", "recall", "f1"), scores[:3], strict=True)}


def behind(first: Sequence[Answered], rows: Sequence[Answered]) -> dict[str, float]:
    """How much worse ``rows`` are than ``first`` on the same questions: accuracy lost and loss gained, with paired intervals.

    Parameters
    ----------
    first, rows : sequence of Answered
        The same questions under two policies.

    Returns
    -------
    dict
        As ``mean_scores``.
    """
    other = {(row.seed, row.number): row for row in rows}
    pairs = [(row, other[row.seed, row.number]) for row in first]
    values = np.array([(float(a.correct) - float(b.correct), b.loss - a.loss) for a, b in pairs])
    return mean_scores(values, np.array([row.seed for row in first]))


def distance_edges(n_token: int) -> list[int]:
    """Edges of the distance bins: 0, 512, 2048, 8192, ... below ``n_token``; the last bin is open."""
    edges = [0]
    while (following := max(FIRST_EDGE, edges[-1] * EDGE_RATIO)) < n_token:
        edges.append(following)
    return edges


def _sliced(rows: Sequence[Answered], label: Callable[[Answered], Any]) -> list[tuple[Any, list[Answered]]]:
    """Rows by their label, in the order of the labels."""
    slices: dict[Any, list[Answered]] = {}
    for row in rows:
        slices.setdefault(label(row), []).append(row)
    return sorted(slices.items())


def by_distance(rows: Sequence[Answered], n_token: int) -> list[dict[str, Any]]:
    """A score for each bin of distances that holds questions.

    Parameters
    ----------
    rows : sequence of Answered
    n_token : int
        Positions of a stream.

    Returns
    -------
    list of dict
        ``distance_low`` lies in the bin, ``distance_high`` does not; that of the last bin is None.
    """
    edges = distance_edges(n_token)
    known = [row for row in rows if row.distance >= 0]
    return [
        {"distance_low": edges[i], "distance_high": edges[i + 1] if i + 1 < len(edges) else None, **score(some)}
        for i, some in _sliced(known, lambda row: int(np.searchsorted(edges, row.distance, side="right")) - 1)
    ]


def by_depth(rows: Sequence[Answered]) -> list[dict[str, Any]]:
    """A score for each tenth of the stream that statements of the facts asked for end in."""
    known = [row for row in rows if row.depth >= 0]
    return [
        {"depth_low": tenth / 10, "depth_high": (tenth + 1) / 10, **score(some)}
        for tenth, some in _sliced(known, lambda row: min(int(row.depth * 10), 9))
    ]


def by_modality(rows: Sequence[Answered]) -> list[dict[str, Any]]:
    """A score for each modality of the facts asked for, in the order of ``Modality``, "unknown" last."""
    order = [*(modality.name.lower() for modality in Modality), UNKNOWN]
    return [{"modality": order[i], **score(some)} for i, some in _sliced(rows, lambda row: order.index(row.modality))]


def by_group(rows: Sequence[Answered]) -> list[dict[str, Any]]:
    """A score for each group of questions; "" are those without a group."""
    return [{"group": name, **score(some)} for name, some in _sliced(rows, lambda row: row.group)]


def result(rows: Sequence[Answered], first: Sequence[Answered] | None, n_token: int) -> dict[str, Any]:
    """All scores of one policy.

    Parameters
    ----------
    rows : sequence of Answered
    first : sequence of Answered or None
        The rows of the policy that it is compared with.
    n_token : int
        Positions of a stream.

    Returns
    -------
    dict
        ``policy``, ``overall``, ``by_distance``, ``by_depth``, ``by_modality``, ``by_group``, ``behind``.
    """
    return {
        "policy": rows[0].policy,
        "overall": {**score(rows), **classification(rows)},
        "by_distance": by_distance(rows, n_token),
        "by_depth": by_depth(rows),
        "by_modality": by_modality(rows),
        "by_group": by_group(rows),
        "behind": None if first is None else behind(first, rows),
    }
