"""Can a label or a number be read from a recorded vector, on stretches of stream that the reader never saw?"""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support import probing
from memlens.analysis.support.blocks import MEMORY
from memlens.analysis.support.probing import Kind, Task
from memlens.analysis.support.result import finish
from memlens.analysis.support.targets import Target, target_of
from memlens.analysis.support.vectors import Vectors, vectors
from memlens.errors import AnalysisError, closest
from memlens.stats.classification import class_scores, confusion_matrix
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.nulls import SegmentUnits

if TYPE_CHECKING:
    from memlens.recording import Recording


def probe(
    recording: "Recording",
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

    Whole sequences are held out where there are several, else contiguous blocks of time; never single rows. "linear" is a
    ridge-penalised logistic or linear regression, "mlp" one hidden layer of 64. What counts as found is
    ``information``: bits a row beyond the base rates, or R2, held out. Its null takes the targets of other times, whole
    segments at a time, so that a target which is constant in a segment counts once.
    Selectivity is the score less its mean on shuffled targets (after Hewitt and Liang, 2019).

    Parameters
    ----------
    target
        A name or a labelled array: see `memlens.analysis.support.targets.target_of`.
    sample
        Rows, at most; None takes all.
    shuffles
        Runs of the control; the least p is 1 / (shuffles + 1).
    memory
        Bytes that the vectors may take. What is larger goes by Dask blocks, one in memory at a time: linear probes with their sums
        over blocks; "mlp" takes all rows at once and refuses.

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
    task, names, left_out = prepare(rows, wanted, folds)
    reading = probing.read(task, kind, seed)
    shuffled = [(each, probing.read(each, kind, seed)) for each in task.shuffled(shuffles, seed)]
    null = np.array([probing.information(*each) for each in shuffled])
    control = np.array([probing.scores(*each) for each in shuffled])
    random = probing.random_features(task, seed)
    score = probing.scores(task, reading)
    low, high = probing.resampled(task, reading, resamples, seed)
    found = probing.information(task, reading)
    by_fold = [probing.scores(task, reading, np.flatnonzero(task.fold == fold)) for fold in np.unique(task.fold)]
    dataset = xr.Dataset(
        {
            "score": ("metric", score),
            "low": ("metric", low),
            "high": ("metric", high),
            "majority": ("metric", _majority(task)),
            "random": ("metric", probing.scores(random, probing.read(random, kind, seed))),
            "control": (("shuffle", "metric"), control),
            "fold_score": (("fold", "metric"), np.array(by_fold)),
            "selectivity": float(score[0] - control[:, 0].mean()),
            "information": found,
            "information_null": ("shuffle", null),
            "p": p_value(found, null),
            **(_of_classes(task, reading, kind, seed) if task.n_class else {}),
        },
        coords={"metric": probing.metrics(task)} | ({"true": names, "predicted": names} if task.n_class else {}),
    )
    params = {
        "point": point,
        "target": wanted.name,
        "kind": kind,
        "folds": folds,
        "sample": sample,
        "shuffles": shuffles,
        "resamples": resamples,
        "memory": memory,
        "seed": seed,
    }
    return finish(
        dataset,
        "probe",
        recording,
        task.target.size,
        params,
        point=point,
        target=wanted.name,
        kind=kind,
        rows=rows.source,
        total=rows.total,
        blocks=int(np.unique(task.block).size),
        left_out=", ".join(left_out),
        unit="bit" if task.n_class else "R2",
    )


def prepare(
    rows: Vectors, target: Target, folds: int, kept: np.ndarray | None = None
) -> tuple[Task, list[str], list[str]]:
    """Rows, blocks and folds of a probe.

    Parameters
    ----------
    kept
        Mask of the rows to use; None takes all that have the target.

    Returns
    -------
    task, names, left_out
        Names of the classes, and of those that were too rare.
    """
    use = target.known() if kept is None else target.known() & kept
    left_out: list[str] = []
    names: list[str] = []
    value = target.value[use]
    if target.classes is None:
        if value.size < 4 * folds or np.ptp(value) == 0:
            what = "it is constant" if value.size else "no row has it"
            raise AnalysisError(
                f"'{target.name}' cannot be probed: {what if value.size == 0 or np.ptp(value) == 0 else f'{value.size} rows'}; "
                f"expected {4 * folds} rows or more whose values differ"
            )
    else:
        codes, counts = np.unique(value, return_counts=True)
        common = codes[counts >= 2 * folds]
        if common.size < 2:
            seen = {target.classes[int(c)]: int(n) for c, n in zip(codes, counts, strict=True)}
            raise AnalysisError(
                f"'{target.name}' has the classes {seen}; a probe needs two with {2 * folds} rows or more each"
            )
        names = [target.classes[int(code)] for code in common]
        left_out = [target.classes[int(code)] for code in codes if code not in common]
        use &= np.isin(target.value, common)
        value = np.searchsorted(common, target.value[use])
    sequence, segment, place = (rows.labels[key][use] for key in ("sequence", "segment", "place"))
    block, fold = probing.split(sequence, segment, value, len(names), folds)
    return (
        Task(
            rows.value[use],
            value,
            len(names),
            SegmentUnits(sequence, segment, place, rows.axis == "token"),
            block,
            fold,
        ),
        names,
        left_out,
    )


def _majority(task: Task) -> np.ndarray:
    """Scores of one who knows only the frequencies of the classes, or the mean."""
    if not task.n_class:
        return np.zeros(1)
    most = np.zeros((task.target.size, task.n_class))
    most[:, np.bincount(task.target).argmax()] = 1
    return probing.scores(task, probing.Reading(most, most))


def _of_classes(task: Task, reading: probing.Reading, kind: Kind, seed: int) -> dict[str, object]:
    ece, confidence, accuracy, n = probing.calibration(task, reading)
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
