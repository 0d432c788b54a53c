"""Can a label or a number be read from a recorded vector, on stretches of stream that the reader never saw?"""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support import probing
from memlens.analysis.support.blocks import MEMORY
from memlens.analysis.support.measure import measure
from memlens.analysis.support.probe_task import ProbeTask, probe_task, random_features
from memlens.analysis.support.probing import Kind, ProbeReading
from memlens.analysis.support.targets import target_of
from memlens.analysis.support.vectors import vectors
from memlens.errors import AnalysisError, closest
from memlens.stats.classification import class_scores, confusion_matrix
from memlens.stats.hypothesis_tests import p_value

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


@measure
def probe(
    recording: "RecordingLike",
    *,
    point: str = "context.hook_slot",
    target: str | xr.DataArray = "modality",
    kind: Kind = "linear",
    folds: int = 5,
    sample: int | None = 4000,
    shuffles: int = 19,
    resamples: int = 500,
    memory: int = MEMORY,
    seed: int = 0,
) -> xr.Dataset:
    """Fit a probe across stretches of stream, with a shuffled-target and a random-feature control.

    Whole sequences are held out where there are several, else contiguous blocks of time; never single rows. What counts as found is
    ``information``: bits a row beyond the base rates, or R2, held out. Its null takes the targets of other times, whole
    segments at a time, so that a target which is constant in a segment counts once.
    Selectivity is the score less its mean on shuffled targets (after Hewitt and Liang, 2019).

    Parameters
    ----------
    recording : Recording
        With the point.
    point : str
        A recorded point over [sequence, segment, place, feature].
    target : str or xarray.DataArray
        What is read: see `memlens.analysis.support.targets.target_of`.
    kind : str
        "linear", a ridge-penalised logistic or linear regression, or "mlp", one hidden layer of 64.
    folds : int
        For cross-validation.
    sample : int or None
        Rows, at most; None takes all.
    shuffles, resamples : int
        Runs of the control (the least p is 1 / (shuffles + 1)), and draws of the intervals.
    memory : int
        Bytes that the vectors may take. What is larger goes by Dask blocks, one in memory at a time: linear probes with their sums
        over blocks; "mlp" takes all rows at once and refuses.
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        Over ``(metric)`` ("accuracy", "precision", "recall", "f1", macro means; or "r2"): ``score``, ``low``, ``high`` (95 %, resampled
        blocks), ``majority`` (the most frequent class, or the mean), ``random`` (random features), ``control(shuffle, metric)``,
        ``fold_score(fold, metric)``; ``selectivity``; ``information``, ``information_null(shuffle)``, ``p``.
        For classes also ``confusion(true, predicted)``, ``class_score(true, class_metric)``, ``support(true)``, ``ece``,
        ``confidence(bin)``, ``bin_accuracy(bin)``, ``bin_n(bin)``, ``description_length`` and
        ``description_length_base`` in bits (see `memlens.analysis.support.probing`), ``compression``, base over probe.

    Raises
    ------
    AnalysisError
        When the target is constant, no two classes have two rows a fold, there are fewer blocks than folds, or a value is not
        finite.
    """
    if kind not in ("linear", "mlp"):
        raise AnalysisError(f"no kind '{kind}'; {closest(kind, ('linear', 'mlp'))}")
    if folds < 2 or shuffles < 1 or resamples < 1:
        raise AnalysisError(f"folds {folds}, shuffles {shuffles}, resamples {resamples}; give 2, 1 and 1 or more")
    rows = vectors(recording, point, sample, seed, memory)
    wanted = target_of(recording, target, rows)
    task, names, left_out = probe_task(rows, wanted, folds)
    reading = probing.cross_validate(task, kind, seed)
    return xr.Dataset(
        {
            **_scores(task, reading, kind, resamples, seed),
            **_control(task, reading, kind, shuffles, seed),
            **(_of_classes(task, reading, kind, seed) if task.n_class else {}),
        },
        coords={"metric": probing.metrics(task)} | ({"true": names, "predicted": names} if task.n_class else {}),
        attrs={
            "n": task.target.size, "point": point, "target": wanted.name, "kind": kind, "rows": rows.source, "total": rows.total,
            "blocks": int(np.unique(task.block).size), "left_out": ", ".join(left_out), "unit": "bit" if task.n_class else "R2",
        },
    )  # fmt: skip


def _scores(task: ProbeTask, reading: ProbeReading, kind: Kind, resamples: int, seed: int) -> dict[str, object]:
    """How well the probe read, beside one that knows only frequencies and one of random features."""
    low, high = probing.resampled(task, reading, resamples, seed)
    random = random_features(task, seed)
    folds = [probing.scores(task, reading, np.flatnonzero(task.fold == fold)) for fold in np.unique(task.fold)]
    return {
        "score": ("metric", probing.scores(task, reading)),
        "low": ("metric", low),
        "high": ("metric", high),
        "majority": ("metric", _majority(task)),
        "random": ("metric", probing.scores(random, probing.cross_validate(random, kind, seed))),
        "fold_score": (("fold", "metric"), np.array(folds)),
    }


def _control(task: ProbeTask, reading: ProbeReading, kind: Kind, shuffles: int, seed: int) -> dict[str, object]:
    """What was read, beside what is read of targets of other times."""
    shuffled = [(each, probing.cross_validate(each, kind, seed)) for each in task.shuffled(shuffles, seed)]
    null = np.array([probing.information(*each) for each in shuffled])
    control = np.array([probing.scores(*each) for each in shuffled])
    found = probing.information(task, reading)
    return {
        "control": (("shuffle", "metric"), control),
        "selectivity": float(probing.scores(task, reading)[0] - control[:, 0].mean()),
        "information": found,
        "information_null": ("shuffle", null),
        "p": p_value(found, null),
    }


def _majority(task: ProbeTask) -> np.ndarray:
    """Scores of one who knows only the frequencies of the classes, or the mean."""
    if not task.n_class:
        return np.zeros(1)
    most = np.zeros((task.target.size, task.n_class))
    most[:, np.bincount(task.target).argmax()] = 1
    return probing.scores(task, ProbeReading(most, most))


def _of_classes(task: ProbeTask, reading: ProbeReading, kind: Kind, seed: int) -> dict[str, object]:
    ece, confidence, accuracy, n = probing.confidence_calibration(task, reading)
    bits, base = probing.description_length(task, kind, seed)
    confusion = confusion_matrix(task.target, reading.predicted.argmax(1), task.n_class)
    return {
        "confusion": (("true", "predicted"), confusion),
        "class_score": (("true", "class_metric"), np.stack(class_scores(confusion), axis=1)),
        "class_metric": ("class_metric", ["precision", "recall", "f1"]),
        "support": ("true", np.bincount(task.target, minlength=task.n_class)),
        "ece": ece,
        "confidence": ("bin", confidence),
        "bin_accuracy": ("bin", accuracy),
        "bin_n": ("bin", n),
        "description_length": bits,
        "description_length_base": base,
        "compression": base / max(bits, 1e-300),
    }
