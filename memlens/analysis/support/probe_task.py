"""What a probe is asked: rows with a target, cut into blocks of time and folds.

Axes: row, feature; class. ``fold`` and ``block`` are one number a row; rows of one block are never split between folds.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from memlens.analysis.support.blocks import Rows, mapped, moments
from memlens.analysis.support.targets import Target
from memlens.analysis.support.vectors import Vectors
from memlens.errors import AnalysisError
from memlens.stats.nulls import SegmentUnits
from memlens.stats.time_blocks import time_blocks


@dataclass(frozen=True)
class ProbeTask:
    """Rows to read a target from.

    Attributes
    ----------
    value : float [row, feature]
        In memory, or Dask blocks of rows.
    target : [row]
        Codes 0 .. n_class - 1, or numbers where ``n_class`` is 0.
    units : SegmentUnits
        Rows by the segment they come from.
    block, fold : int [row]
        Stretch of time and fold of each row.
    """

    value: Rows
    target: np.ndarray
    n_class: int
    units: SegmentUnits
    block: np.ndarray
    fold: np.ndarray

    def shuffled(self, draws: int, seed: int) -> Iterator["ProbeTask"]:
        """The same rows with targets of other times (see `memlens.stats.nulls`).

        Parameters
        ----------
        draws, seed : int
            Shuffles, and what they are drawn from.

        Yields
        ------
        ProbeTask
        """
        for order in self.units.shuffles(draws, seed):
            yield replace(self, target=self.target[order])

    def judged(self, rows: np.ndarray) -> "ProbeTask":
        """Some of the rows, int [row], to judge a probe on."""
        return replace(
            self, value=self.value[rows], target=self.target[rows], block=self.block[rows], fold=self.fold[rows]
        )


def probe_task(
    rows: Vectors, target: Target, folds: int, kept: np.ndarray | None = None
) -> tuple[ProbeTask, list[str], list[str]]:
    """Rows, blocks and folds of a probe.

    Parameters
    ----------
    rows : Vectors
        What the target is read from.
    target : Target
        What is read.
    folds : int
        For cross-validation.
    kept : bool [row] or None
        Mask of the rows to use; None takes all that have the target.

    Returns
    -------
    task : ProbeTask
    names, left_out : list of str
        Names of the classes, and of those that were too rare.

    Raises
    ------
    AnalysisError
        When the target is constant, there are too few rows, or no two classes have two rows a fold.
    """
    use = target.known() if kept is None else target.known() & kept
    names: list[str] = []
    left_out: list[str] = []
    value = target.value[use]
    if target.classes is None:
        _check_numbers(target.name, value, folds)
    else:
        common, rare = _common_classes(target.name, target.classes, value, folds)
        names, left_out = ([target.classes[int(code)] for code in codes] for codes in (common, rare))
        use &= np.isin(target.value, common)
        value = np.searchsorted(common, target.value[use])
    sequence, segment, place = (rows.labels[key][use] for key in ("sequence", "segment", "place"))
    block, fold = split_folds(sequence, segment, value, len(names), folds)
    units = SegmentUnits(sequence, segment, place, rows.axis == "token")
    return ProbeTask(rows.value[use], value, len(names), units, block, fold), names, left_out


def _check_numbers(name: str, value: np.ndarray, folds: int) -> None:
    if value.size < 4 * folds or np.ptp(value) == 0:
        constant = "it is constant" if value.size else "no row has it"
        what = constant if value.size == 0 or np.ptp(value) == 0 else f"{value.size} rows"
        raise AnalysisError(f"'{name}' cannot be probed: {what}; expected {4 * folds} rows or more whose values differ")


def _common_classes(name: str, classes: list[str], value: np.ndarray, folds: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the classes with enough rows, and of the others."""
    codes, counts = np.unique(value, return_counts=True)
    common = codes[counts >= 2 * folds]
    if common.size < 2:
        seen = {classes[int(c)]: int(n) for c, n in zip(codes, counts, strict=True)}
        raise AnalysisError(f"'{name}' has the classes {seen}; a probe needs two with {2 * folds} rows or more each")
    return common, np.setdiff1d(codes, common)


def split_folds(
    sequence: np.ndarray, segment: np.ndarray, target: np.ndarray, n_class: int, folds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Block and fold of each row: folds are whole sequences where there are several, else contiguous blocks of time.

    Classes are spread over the folds as evenly as whole blocks allow.

    Parameters
    ----------
    sequence, segment : int [row]
        Where each row comes from.
    target : [row]
        Codes, or numbers.
    n_class : int
        0 where the target is a number.
    folds : int
        At most.

    Returns
    -------
    block, fold : int [row]

    Raises
    ------
    AnalysisError
        When the rows lie in too few blocks.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    block = time_blocks(sequence, segment, 4 * folds)
    sequences, group = np.unique(sequence, return_inverse=True)
    if sequences.size < 2:
        group = block
        if group.max() + 1 < folds:
            raise AnalysisError(
                f"the rows lie in {group.max() + 1} blocks of segments, expected {folds} or more; record a longer stream"
            )
    n = min(folds, int(group.max()) + 1)
    splitter = StratifiedGroupKFold(n) if n_class else GroupKFold(n)
    fold = np.zeros(target.size, int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rare class may be missing from a fold; its rows still count in the rest
        for index, (_, test) in enumerate(splitter.split(target[:, None], target if n_class else None, group)):
            fold[test] = index
    return block, fold


def random_features(task: ProbeTask, seed: int) -> ProbeTask:
    """The same task with vectors that know nothing: Gaussian, of the mean and covariance of the real ones.

    Parameters
    ----------
    task : ProbeTask
        The real one.
    seed : int
        Of the draws.

    Returns
    -------
    ProbeTask
    """
    n, width = task.value.shape
    mean, scatter = moments(task.value)
    variance, axes = np.linalg.eigh(scatter / max(n - 1, 1))
    shape = (np.sqrt(np.maximum(variance, 0)) * axes).T

    def drawn(block: np.ndarray, rows: slice) -> np.ndarray:
        rng = np.random.default_rng([seed, 3, int(rows.start)])
        return (rng.normal(size=block.shape) @ shape + mean).astype(block.dtype)

    return replace(task, value=mapped(task.value, drawn, width, 0))
