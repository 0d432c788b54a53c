"""Are vectors sums of a few recurring directions? A sparse dictionary, its features, and what they explain."""

import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr

from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import MODALITIES
from memlens.analysis.support.sparse_autoencoder import Autoencoder, fit_autoencoder
from memlens.analysis.support.vectors import Vectors, vectors
from memlens.analysis.support.windows import picked_positions, token_names, vocabulary, window_tokens
from memlens.errors import AnalysisError
from memlens.stats.hypothesis_tests import p_value
from memlens.stats.time_blocks import time_blocks

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


@measure
def dictionary(
    recording: "RecordingLike",
    *,
    point: str = "context.hook_slot",
    atoms: int = 64,
    active: int = 4,
    steps: int = 200,
    sample: int | None = 3000,
    draws: int = 19,
    examples: int = 5,
    seed: int = 0,
) -> xr.Dataset:
    """Fit a top-k sparse autoencoder on four fifths of the time and measure what it explains of the rest.

    Its null says what as many directions explain of Gaussian vectors with the same mean and covariance, which are sums of nothing in
    particular: above it, the vectors are sparse in the dictionary beyond what their covariance gives. ``explained_shuffled`` is the
    easier one: features shifted in time apart from each other. As a check scikit-learn's dictionary learning (Mairal et al., 2009) gets
    the same rows, atoms and number of active ones (by orthogonal matching pursuit); ``explained_pca`` is what ``active`` principal axes
    explain.

    Parameters
    ----------
    recording : Recording
        With the point.
    point : str
        A recorded point over [sequence, segment, place, feature].
    atoms, active : int
        Directions, and how many of them make one vector.
    steps : int
        Of training, in batches of 256 rows.
    sample : int or None
        Rows, at most; None takes all.
    draws : int
        Runs of the null; the least p is 1 / (draws + 1).
    examples : int
        Rows listed for each atom.
    seed : int
        Of all random draws.

    Returns
    -------
    xarray.Dataset
        ``explained`` (share of the held-out variance), ``explained_null(draw)``, ``p``, ``explained_shuffled``, ``explained_check``,
        ``explained_pca``; ``check_agreement``, the mean over used atoms of the largest cosine with an atom of the check.
        Over ``(atom)``, the most used first: ``frequency`` (share of rows), ``strength`` (mean activation where active),
        ``contribution`` (share of the sum of squared activations), ``direction(atom, feature)``, ``modality_share(atom, modality)`` of its
        activation; over ``(atom, example)``: ``example_sequence``, ``example_segment``, ``example_place``, ``example_activation``,
        ``example_token``. Attribute ``dead``: atoms that no row uses.

    Raises
    ------
    AnalysisError
        With fewer than 100 rows, ``active`` above ``atoms``, a value that is not finite, or rows that are all equal.
    """
    rows = _rows(recording, point, atoms, active, sample, draws, seed)
    held_out = time_blocks(rows.labels["sequence"], rows.labels["segment"]) % 5 == 4
    found, model = _explained(rows.value, held_out, atoms, active, steps, draws, seed)
    code = model.encode(rows.value)
    order = np.argsort(-(code > 0).mean(0), kind="stable")
    code, atom = code[:, order], model.atom[order]
    used = (code > 0).any(0)
    return xr.Dataset(
        {
            **found,
            **_checks(rows.value, held_out, atom[used], atoms, active, seed),
            **_by_atom(code, rows.labels["modality"]),
            "direction": (("atom", "feature"), atom),
            **_examples(recording, rows, code, examples),
        },
        coords={"modality": MODALITIES},
        attrs={
            "n": len(rows.value), "point": point, "active": active, "rows": rows.source, "total": rows.total, "dead": int((~used).sum()),
        },
    )  # fmt: skip


def _rows(
    recording: "RecordingLike", point: str, atoms: int, active: int, sample: int | None, draws: int, seed: int
) -> Vectors:
    """Rows that a dictionary can be learned from."""
    if not 1 <= active <= atoms or draws < 1:
        raise AnalysisError(
            f"active is {active}, atoms {atoms}, draws {draws}; give 1 <= active <= atoms, and 1 draw or more"
        )
    rows = vectors(recording, point, sample, seed)
    n = rows.value.shape[0]
    if n < 100:
        raise AnalysisError(f"'{point}' has {n} rows, expected 100 or more for a dictionary; record a longer stream")
    if not np.ptp(rows.value, axis=0).any():
        raise AnalysisError(f"every row of '{point}' is the same; there is no dictionary to learn")
    return rows


def _explained(
    value: np.ndarray, held_out: np.ndarray, atoms: int, active: int, steps: int, draws: int, seed: int
) -> tuple[dict[str, object], Autoencoder]:
    """What a dictionary explains of held-out rows, beside its nulls; and the dictionary."""

    def fit(value: np.ndarray) -> tuple[Autoencoder, float]:
        model = fit_autoencoder(value[~held_out], atoms, active, steps, seed)
        return model, model.explained(value[held_out])

    model, explained = fit(value)
    null = np.array([fit(_gaussian(value, seed + 1 + draw))[1] for draw in range(draws)])
    found = {
        "explained": explained,
        "explained_null": ("draw", null),
        "p": p_value(explained, null),
        "explained_shuffled": fit(_unrelated(value, seed))[1],
    }
    return found, model


def _checks(
    value: np.ndarray, held_out: np.ndarray, used: np.ndarray, atoms: int, active: int, seed: int
) -> dict[str, float]:
    """What two other methods explain, and how like the used atoms, float [atom, feature], those of the first are."""
    explained, other = _scikit_learn(value, held_out, atoms, active, seed)
    cosine = (used @ other.T).max(1) if used.size else np.array([np.nan])
    return {
        "explained_check": explained,
        "explained_pca": _pca(value, held_out, active),
        "check_agreement": float(cosine.mean()),
    }


def _by_atom(code: np.ndarray, modality: np.ndarray) -> dict[str, object]:
    """How much each atom is used, from activations float [row, atom]."""
    power = (code**2).sum(0)
    return {
        "frequency": ("atom", (code > 0).mean(0)),
        "strength": ("atom", code.sum(0) / np.maximum((code > 0).sum(0), 1)),
        "contribution": ("atom", power / max(power.sum(), 1e-300)),
        "modality_share": (("atom", "modality"), _by_modality(code, modality)),
    }


def _gaussian(value: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 5])
    variance, axes = np.linalg.eigh(np.atleast_2d(np.cov(value.T.astype(np.float64))))
    return (rng.normal(size=value.shape) * np.sqrt(np.maximum(variance, 0)) @ axes.T + value.mean(0)).astype(np.float32)


def _unrelated(value: np.ndarray, seed: int) -> np.ndarray:
    """Every feature shifted in time by its own amount."""
    rng = np.random.default_rng([seed, 6])
    at = (np.arange(value.shape[0])[:, None] + rng.integers(value.shape[0], size=value.shape[1])) % value.shape[0]
    return value[at, np.arange(value.shape[1])]


def _scikit_learn(
    value: np.ndarray, held_out: np.ndarray, atoms: int, active: int, seed: int
) -> tuple[float, np.ndarray]:
    """Share of the held-out variance that scikit-learn's dictionary explains, and its atoms with both signs."""
    from sklearn.decomposition import MiniBatchDictionaryLearning

    mean = value[~held_out].mean(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # matching pursuit says where more atoms than needed are asked for
        model = MiniBatchDictionaryLearning(
            atoms,
            batch_size=256,
            max_iter=2,
            random_state=seed,
            transform_algorithm="omp",
            transform_n_nonzero_coefs=active,
            alpha=cast(Any, 0.5),
        ).fit(value[~held_out] - mean)
        code = model.transform(value[held_out] - mean)
    atom = model.components_ / np.maximum(np.linalg.norm(model.components_, axis=1, keepdims=True), 1e-12)
    rest = value[held_out] - mean - code @ model.components_
    explained = 1 - (rest**2).sum() / max(((value[held_out] - mean) ** 2).sum(), 1e-300)
    return float(explained), np.concatenate([atom, -atom])


def _pca(value: np.ndarray, held_out: np.ndarray, components: int) -> float:
    mean = value[~held_out].mean(0)
    centred = (value[~held_out] - mean).astype(np.float64)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :components]
    rest = (value[held_out] - mean).astype(np.float64)
    return float(((rest @ axes) ** 2).sum() / max((rest**2).sum(), 1e-300))


def _by_modality(code: np.ndarray, modality: np.ndarray) -> np.ndarray:
    sums = np.stack([code[modality == each].sum(0) for each in range(len(MODALITIES))], 1)
    total = sums.sum(1, keepdims=True)
    return np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)


def _examples(recording: "RecordingLike", rows: Vectors, code: np.ndarray, examples: int) -> dict[str, object]:
    """The rows that activate each atom most; -1 and "" where fewer do."""
    top = np.argsort(-code, axis=0, kind="stable")[: min(examples, code.shape[0])].T
    activation = np.take_along_axis(code, top.T, 0).T
    there, dims = activation > 0, ("atom", "example")
    out: dict[str, object] = {
        f"example_{name}": (dims, np.where(there, rows.labels[name][top], -1))
        for name in ("sequence", "segment", "place")
    }
    token = np.full(top.shape, "", object)
    if rows.axis == "slot":
        sequence, entry = (rows.labels[name][top[there]] for name in ("sequence", "entry"))
        codes, modality = window_tokens(recording, sequence, picked_positions(recording, sequence, entry), 1)
        token[there] = token_names(codes[:, 0], modality[:, 0], vocabulary(recording))
    return out | {"example_activation": (dims, activation), "example_token": (dims, token.astype(str))}
