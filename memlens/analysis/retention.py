"""How often a question is answered exactly: by distance and modality, by facts in the stream, by where the fact is held."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.fact_location import LOST, fact_locations, facts_before
from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import MODALITIES
from memlens.errors import AnalysisError
from memlens.stats.hypothesis_tests import two_sided_p
from memlens.stats.jackknife import jackknife
from memlens.stats.nulls import shuffles_within
from memlens.stats.proportions import ratio, wilson
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike
    from memlens.recording.reading.tables import RecordedQuestions


@measure
def retention(
    recording: "RecordingLike", *, bins: int | Sequence[float] = 8, shuffles: int = 199, seed: int = 0
) -> xr.Dataset:
    """Exact-match accuracy by distance and modality, with Wilson 95 % intervals.

    A question counts once; the interval takes questions as independent given the cell. Two nulls: ``chance`` is how often the answers
    would be right if they were shuffled among the questions of their modality, and ``trend`` is compared with answers whose
    being right is shuffled inside their modality.

    Parameters
    ----------
    recording : Recording
        With questions.
    bins : int or sequence of float
        Edges of the distance bins in tokens (a bin holds its left edge), or how many bins to make, of equal ratio
        between the least and the largest distance.
    shuffles : int
        Draws of the null of the trend; the least p is 1 / (shuffles + 1).
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(modality, bin)``, modality "all" first: ``accuracy``, ``low``, ``high``, ``n``, ``correct``, ``loss``
        (nats per answer token). Over ``(modality)``, all distances together and unknown ones included: ``overall``,
        ``overall_low``, ``overall_high``, ``overall_n``, ``chance``. Coordinates ``bin_low(bin)``, ``bin_high(bin)`` in tokens.
        ``trend``, the rank correlation of distance and being right, with ``_low``, ``_high`` (jackknife over stretches of
        time), ``_null(shuffle)``, ``_p`` (two-sided). Over ``(load)``, quarters of the questions by facts stated before them:
        ``load_accuracy``, ``load_low``, ``load_high``, ``load_n``, coordinates ``facts_low``, ``facts_high``. Over
        ``(fact_location)``, where the fact was when it was asked for ("lost", "context", a level): ``fact_location_accuracy``,
        ``fact_location_low``, ``fact_location_high``, ``fact_location_n``.

    Raises
    ------
    AnalysisError
        When the recording holds no question, or the edges do not ascend.
    """
    if shuffles < 1:
        raise AnalysisError(f"shuffles is {shuffles}; give 1 or more")
    table = recording.tables.questions
    if not len(table):
        raise AnalysisError("the recording holds no question; record a stream that asks some")
    distance, correct = table.distance.astype(float), table.correct.astype(float)
    modality, loss = table.fact_modality, table.loss
    edges = _edges(distance[distance >= 0], bins)
    inside = (distance >= edges[0]) & (distance < edges[-1])
    return xr.Dataset(
        {
            **_cells(distance, correct, loss, modality, edges),
            **_overall(correct, modality),
            "chance": ("modality", _chance(table, modality)),
            **_trend(table, distance, correct, modality, shuffles, seed),
            **_by_load(recording, correct),
            **_by_location(recording, correct),
        },
        coords={"modality": ["all", *MODALITIES], "bin_low": ("bin", edges[:-1]), "bin_high": ("bin", edges[1:])},
        attrs={
            "n": distance.size,
            "unknown_distance": int((distance < 0).sum()),
            "outside": int(((distance >= 0) & ~inside).sum()),
        },
    )


def _by_modality(modality: np.ndarray) -> list[np.ndarray]:
    """Masks of the questions of all modalities, then of each."""
    return [np.ones(modality.size, bool), *(modality == code for code in range(len(MODALITIES)))]


def _cells(
    distance: np.ndarray, correct: np.ndarray, loss: np.ndarray, modality: np.ndarray, edges: np.ndarray
) -> dict[str, object]:
    """Accuracy and loss by modality and bin of distance."""
    place = np.searchsorted(edges, distance, side="right") - 1
    inside = (distance >= edges[0]) & (distance < edges[-1])
    shape = len(MODALITIES) + 1, edges.size - 1
    n, hits, losses, finite = (np.zeros(shape) for _ in range(4))
    for row, rows in enumerate(_by_modality(modality)):
        use = rows & inside
        usable = use & np.isfinite(loss)
        n[row] = np.bincount(place[use], minlength=shape[1])
        hits[row] = np.bincount(place[use], correct[use], minlength=shape[1])
        losses[row] = np.bincount(place[usable], loss[usable], minlength=shape[1])
        finite[row] = np.bincount(place[usable], minlength=shape[1])
    low, high = wilson(hits, n)
    columns = {"accuracy": ratio(hits, n), "low": low, "high": high, "n": n.astype(int), "correct": hits.astype(int)}
    return {name: (("modality", "bin"), values) for name, values in (columns | {"loss": ratio(losses, finite)}).items()}


def _overall(correct: np.ndarray, modality: np.ndarray) -> dict[str, object]:
    """Accuracy by modality, all distances together."""
    groups = _by_modality(modality)
    n, hits = (np.array([values.sum() for values in each]) for each in (groups, [correct[rows] for rows in groups]))
    low, high = wilson(hits, n)
    columns = {"": ratio(hits, n), "_low": low, "_high": high, "_n": n.astype(int)}
    return {f"overall{end}": ("modality", values) for end, values in columns.items()}


def _edges(distance: np.ndarray, bins: int | Sequence[float]) -> np.ndarray:
    """Ascending edges, whole tokens when made here; the last one is past the largest distance."""
    if not isinstance(bins, int):
        edges = np.asarray(list(bins), float)
        if edges.size < 2 or not (np.diff(edges) > 0).all():
            raise AnalysisError(f"bins are {list(bins)}; give two or more ascending edges in tokens")
        return edges
    if bins < 1:
        raise AnalysisError(f"bins is {bins}; give 1 or more, or a list of edges in tokens")
    if distance.size == 0:
        return np.array([0.0, 1.0])
    low, high = max(float(distance.min()), 1.0), float(distance.max()) + 1
    inner = [float(f"{edge:.2g}") for edge in np.geomspace(low, max(high, low + 1), bins + 1)[1:-1]]
    return np.unique([float(distance.min()), *(np.clip(inner, low, high)), high])


def _chance(table: "RecordedQuestions", modality: np.ndarray) -> np.ndarray:
    """Share of right answers if the answers of each modality were shuffled: sum over words of P(answer) P(predicted)."""
    answer, predicted = table.answer.astype(str), table.predicted.astype(str)
    out, right = np.full(len(MODALITIES) + 1, np.nan), 0.0
    for code in np.unique(modality):
        rows = modality == code
        words, index = np.unique(np.concatenate([answer[rows], predicted[rows]]), return_inverse=True)
        n = int(rows.sum())
        share = (
            float((np.bincount(index[:n], minlength=words.size) * np.bincount(index[n:], minlength=words.size)).sum())
            / n**2
        )
        right += share * n
        if code >= 0:
            out[1 + code] = share
    out[0] = right / modality.size
    return out


def _trend(
    table: "RecordedQuestions",
    distance: np.ndarray,
    correct: np.ndarray,
    modality: np.ndarray,
    shuffles: int,
    seed: int,
) -> dict[str, object]:
    from scipy.stats import rankdata

    known = distance >= 0
    rank, right, group = rankdata(distance[known]), correct[known], modality[known]
    null = np.full(shuffles, np.nan)
    if known.sum() < 3 or np.ptp(rank) == 0 or np.ptp(right) == 0:
        none = dict.fromkeys(("trend", "trend_low", "trend_high", "trend_p"), np.nan)
        return {**none, "trend_null": ("shuffle", null)}

    def trend(rank: np.ndarray, right: np.ndarray) -> float:
        x, y = rank - rank.mean(), right - right.mean()
        scale = np.sqrt((x * x).sum() * (y * y).sum())
        return float((x * y).sum() / scale) if scale > 0 else 0.0

    null = np.array([trend(rank, right[taken]) for taken in shuffles_within(group, shuffles, seed)])
    value = trend(rank, right)
    block = time_blocks(table.sequence[known], table.segment[known])
    low, high = jackknife(lambda kept: trend(rank[kept], right[kept]), block)
    return {
        "trend": value,
        "trend_low": float(np.maximum(low, -1)),
        "trend_high": float(np.minimum(high, 1)),
        "trend_p": two_sided_p(value, null),
        "trend_null": ("shuffle", null),
    }


def _by_load(recording: "RecordingLike", correct: np.ndarray) -> dict[str, object]:
    facts = facts_before(recording)
    edges = np.unique(np.quantile(facts, [0.25, 0.5, 0.75]).round())
    place = np.searchsorted(edges, facts, side="right")
    groups = [facts[place == each] for each in np.unique(place)]
    bounds = {"facts_low": [int(each.min()) for each in groups], "facts_high": [int(each.max()) for each in groups]}
    return _rates("load", np.unique(place, return_inverse=True)[1], correct, len(groups)) | {
        name: ("load", values) for name, values in bounds.items()
    }


def _by_location(recording: "RecordingLike", correct: np.ndarray) -> dict[str, object]:
    where, known = fact_locations(recording), recording.tables.questions.fact >= 0
    levels = int(recording.segments.sizes["level"])
    names = ["lost", "context", *(f"level {level}" for level in range(levels))]
    rates = _rates("fact_location", where[known] - LOST, correct[known], len(names))
    return rates | {"fact_location": ("fact_location", names)}


def _rates(name: str, place: np.ndarray, correct: np.ndarray, length: int) -> dict[str, object]:
    n, hits = np.bincount(place, minlength=length), np.bincount(place, correct, minlength=length)
    low, high = wilson(hits, n)
    values = {"accuracy": ratio(hits, n), "low": low, "high": high, "n": n}
    return {f"{name}_{key}": (name, value) for key, value in values.items()}
