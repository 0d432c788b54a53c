"""What the controller's Q looks at: importance and effect of each feature, and a small tree that acts like it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from memlens.analysis.support.decision_table import DecisionRows, decision_rows
from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import ACTIONS
from memlens.errors import AnalysisError
from memlens.stats.comparisons import holm
from memlens.stats.hypothesis_tests import p_value, sign_flip_p
from memlens.stats.jackknife import jackknife

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

LEAST = 100
FLIPS = 999


@measure
def q_network(
    recording: "RecordingLike",
    *,
    folds: int = 5,
    sample: int = 10_000,
    repeats: int = 3,
    depth: int = 3,
    grid: int = 20,
    shuffles: int = 199,
    seed: int = 0,
) -> xr.Dataset:
    """Explain the advantage of keeping by the control features, from recorded decisions alone.

    A surrogate, gradient-boosted trees, learns A = max(Q(STORE), Q(RETRIEVE)) - max(Q(COMPRESS), Q(DISCARD)) from the features and is
    scored on entries it never saw: all decisions on one entry are in one fold, and folds are stretches of time, for an entry's features
    name it and its Q stays. What it cannot explain comes from the entry's content, which Q reads as well. Importance of a feature is
    how much of R2 is lost when its values are shuffled among the held-out decisions (Breiman, 2001; Fisher, Rudin and Dominici, 2019);
    partial dependence is the mean surrogate with the feature set to a value (Friedman, 2001). Both are of the surrogate: features that
    say the same share their importance, and ``copied`` says how much of a feature the others tell.

    Parameters
    ----------
    recording : Recording
        With decisions.
    folds, sample : int
        For cross-validation; decisions used, at most.
    repeats : int
        Times that a feature is shuffled.
    depth : int
        Of the tree.
    grid : int
        Values of a feature at which its partial dependence is given.
    shuffles : int
        Draws of the null of ``explained``: entries take the Q-values of others, rotated in order of their births.
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        ``explained``, held-out R2, with ``_low``, ``_high`` (jackknife over 20 stretches of time), ``_null(shuffle)``, ``_p``. Over
        ``(feature)``: ``importance`` in R2 with ``_low`` and ``_high``, ``p`` (signs flipped over stretches of time; null: no loss),
        ``p_adjusted`` (Holm), ``copied`` (R2 of the feature from the others, linear). Over ``(feature, grid)``: ``value``, ``dependence``
        in nats, with ``_low`` and ``_high`` (range over folds). The tree: ``fidelity``, share of held-out decisions where it wants what
        the controller wanted, with ``_low``, ``_high``, ``_p``, ``majority`` (always the most frequent action); ``rule(leaf)``,
        ``leaf_count(leaf, action)``.

    Raises
    ------
    AnalysisError
        With fewer than 100 decisions, too few entries for the folds, Q-values that never differ, or a parameter out of range.
    """
    from threadpoolctl import threadpool_limits

    if folds < 2 or repeats < 1 or depth < 1 or grid < 2 or sample < LEAST or shuffles < 1:
        raise AnalysisError(
            f"folds, repeats, depth, grid, sample, shuffles are {folds}, {repeats}, {depth}, {grid}, {sample}, {shuffles}; "
            f"give at least 2, 1, 1, 2, {LEAST}, 1"
        )
    rows, total = _sampled(recording, sample, seed)
    target = rows.keep_advantage()
    fold, block = rows.blocks(folds), rows.blocks(20)
    _check(target, fold)
    with threadpool_limits(1, user_api="openmp"):  # at these sizes two threads wait for each other more than they work
        surrogates = _Surrogates(rows.control, target, fold, seed)
        variables = {
            **_explained(surrogates, rows.owner, block, shuffles, seed),
            **_importance(surrogates, block, repeats, seed),
            "copied": ("feature", _copied(rows.control)),
            **_dependence(surrogates, grid, seed),
            **_tree(rows, fold, block, depth, seed),
        }
    return xr.Dataset(
        variables,
        coords={"feature": rows.feature, "action": ACTIONS},
        attrs={"n": target.size, "total": total, "entries": int(rows.owner.max()) + 1},
    )


def _sampled(recording: "RecordingLike", sample: int, seed: int) -> tuple[DecisionRows, int]:
    """Decisions in order of their entries' birth, at most so many; and how many there were."""
    rows = decision_rows(recording, LEAST)
    total = rows.segment.size
    if total > sample:
        rows = rows.at(np.sort(np.random.default_rng(seed).choice(total, sample, replace=False)))
    return rows.at(np.lexsort((rows.segment, rows.entry, rows.born(), rows.sequence))), total


def _check(target: np.ndarray, fold: np.ndarray) -> None:
    """What a surrogate needs: finite values that differ, and two folds."""
    wrong = np.flatnonzero(~np.isfinite(target))
    if wrong.size:
        raise AnalysisError(
            f"the advantage of keeping is not finite at decision {wrong[0]}: q is missing there; record the run again"
        )
    if np.ptp(target) == 0:
        raise AnalysisError(
            f"the advantage of keeping is {target[0]:g} at every decision, so there is nothing to explain; record another policy"
        )
    if np.unique(fold).size < 2:
        raise AnalysisError(
            "all entries were born in one segment, so that none can be held out; record a longer stream"
        )


class _Surrogates:
    """One surrogate a fold, learned from the other folds, and what it says of its own."""

    def __init__(self, control: np.ndarray, target: np.ndarray, fold: np.ndarray, seed: int):
        from sklearn.ensemble import HistGradientBoostingRegressor

        self.control, self.target, self.fold = control, target, fold
        self.models: list[Any] = []
        self.prediction, self.baseline = np.zeros(target.size), np.zeros(target.size)
        for each in np.unique(fold):
            train, test = fold != each, fold == each
            model = HistGradientBoostingRegressor(
                max_iter=50,
                learning_rate=0.2,
                max_leaf_nodes=15,
                early_stopping=False,  # pyright: ignore[reportArgumentType]
                random_state=seed,
            )
            self.models.append(model.fit(control[train], target[train]))
            self.prediction[test] = model.predict(control[test])
            self.baseline[test] = target[train].mean()
        self.spread = float(((target - target.mean()) ** 2).mean())

    def error(self, control: np.ndarray) -> np.ndarray:
        """Squared error of each held-out row with other features, as a share of the variance."""
        out = np.zeros(self.target.size)
        for each, model in zip(np.unique(self.fold), self.models, strict=True):
            test = self.fold == each
            out[test] = model.predict(control[test])
        return (self.target - out) ** 2 / self.spread


def _explained(
    surrogates: _Surrogates, owner: np.ndarray, block: np.ndarray, shuffles: int, seed: int
) -> dict[str, object]:
    target, prediction = surrogates.target, surrogates.prediction

    def r2(target: np.ndarray, prediction: np.ndarray) -> float:
        return float(1 - ((target - prediction) ** 2).sum() / ((target - target.mean()) ** 2).sum())

    low, high = jackknife(lambda kept: r2(target[kept], prediction[kept]), block)
    # whole entries lend each other their Q: decisions on one entry are alike, and a null that cut through them would be too narrow
    start = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    count = np.diff(np.append(start, owner.size))
    rank = np.arange(owner.size) - np.repeat(start, count)
    null = np.zeros(shuffles)
    for draw, step in enumerate(np.random.default_rng(seed).integers(1, start.size, shuffles)):
        lender = np.repeat((np.arange(start.size) + step) % start.size, count)
        null[draw] = r2(target[start[lender] + rank % count[lender]], prediction)
    value = r2(target, prediction)
    return {
        "explained": value,
        "explained_low": float(low),
        "explained_high": float(high),
        "explained_null": ("shuffle", null),
        "explained_p": p_value(value, null),
    }


def _importance(surrogates: _Surrogates, block: np.ndarray, repeats: int, seed: int) -> dict[str, object]:
    control, rng = surrogates.control, np.random.default_rng(seed)
    before = surrogates.error(control)
    values, low, high, p = (np.zeros(control.shape[1]) for _ in range(4))
    count = np.bincount(block)
    for feature in range(control.shape[1]):
        loss = np.zeros(before.size)
        for _ in range(repeats):
            shuffled = control.copy()
            for each in np.unique(surrogates.fold):
                rows = np.flatnonzero(surrogates.fold == each)
                shuffled[rows, feature] = control[rng.permutation(rows), feature]
            loss += (surrogates.error(shuffled) - before) / repeats
        values[feature] = loss.mean()
        low[feature], high[feature] = jackknife(lambda kept, loss=loss: loss[kept].mean(), block)
        p[feature] = sign_flip_p(np.bincount(block, loss) / count, FLIPS, seed)
    columns = {"importance": values, "importance_low": low, "importance_high": high, "p": p, "p_adjusted": holm(p)}
    return {name: ("feature", column) for name, column in columns.items()}


def _copied(control: np.ndarray) -> np.ndarray:
    """R2 of each feature from a linear map of the others; 0 for a feature that never changes."""
    out, width = np.zeros(control.shape[1]), control.shape[1]
    for feature in range(width):
        y = control[:, feature] - control[:, feature].mean()
        if (y**2).sum() == 0 or width == 1:
            continue
        x = np.delete(control, feature, 1) - np.delete(control, feature, 1).mean(0)
        residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        out[feature] = 1 - (residual**2).sum() / (y**2).sum()
    return out


def _dependence(surrogates: _Surrogates, grid: int, seed: int, background: int = 300) -> dict[str, object]:
    control = surrogates.control
    rows = np.random.default_rng(seed).choice(len(control), min(background, len(control)), replace=False)
    value = np.quantile(control, np.linspace(0.01, 0.99, grid), axis=0).T
    curves = np.zeros((len(surrogates.models), *value.shape))
    for feature, places in enumerate(value):
        block = np.repeat(control[rows][None], grid, axis=0)
        block[:, :, feature] = places[:, None]
        flat = block.reshape(-1, control.shape[1])
        for at, model in enumerate(surrogates.models):
            curves[at, feature] = model.predict(flat).reshape(grid, -1).mean(1)
    over = ("feature", "grid")
    return {
        "value": (over, value),
        "dependence": (over, curves.mean(0)),
        "dependence_low": (over, curves.min(0)),
        "dependence_high": (over, curves.max(0)),
    }


def _tree(rows: DecisionRows, fold: np.ndarray, block: np.ndarray, depth: int, seed: int) -> dict[str, object]:
    from sklearn.tree import DecisionTreeClassifier

    least = max(5, rows.wanted.size // 100)

    def fitted(kept: np.ndarray) -> Any:
        tree = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=least, random_state=seed)
        return tree.fit(rows.control[kept], rows.wanted[kept])

    hit = np.zeros(rows.wanted.size)
    # the most frequent action of all rows: that of the training rows alone is less frequent in the others by construction
    usual = (rows.wanted == np.bincount(rows.wanted).argmax()).astype(float)
    for each in np.unique(fold):
        train, test = fold != each, fold == each
        hit[test] = fitted(train).predict(rows.control[test]) == rows.wanted[test]
    low, high = jackknife(lambda kept: hit[kept].mean(), block)
    gain = np.bincount(block, hit - usual) / np.bincount(block)
    whole = fitted(np.ones(hit.size, bool))
    leaf = whole.apply(rows.control)
    rules = _rules(whole, rows.feature)
    count = np.stack([np.bincount(rows.wanted[leaf == at], minlength=len(ACTIONS)) for at in rules])
    return {
        "fidelity": float(hit.mean()),
        "fidelity_low": float(np.clip(low, 0, 1)),
        "fidelity_high": float(np.clip(high, 0, 1)),
        "majority": float(usual.mean()),
        "fidelity_p": sign_flip_p(gain, FLIPS, seed),
        "rule": ("leaf", list(rules.values())),
        "leaf_count": (("leaf", "action"), count),
    }


def _rules(tree: Any, names: list[str]) -> dict[int, str]:
    """What leads to each leaf, in words."""
    nodes, out, stack = tree.tree_, {}, [(0, [])]
    while stack:
        node, path = stack.pop()
        if nodes.children_left[node] < 0:
            out[node] = " and ".join(path) or "always"
            continue
        name, at = names[nodes.feature[node]], f"{nodes.threshold[node]:.3g}"
        stack.append((int(nodes.children_right[node]), [*path, f"{name} > {at}"]))
        stack.append((int(nodes.children_left[node]), [*path, f"{name} ≤ {at}"]))
    return out
