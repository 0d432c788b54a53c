"""How long entries are held: survival curves and half-lives by level, modality and fact, and whether they differ."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.result import MODALITIES, finish, first_segment, n_segments
from memlens.errors import AnalysisError, closest
from memlens.stats.comparisons import holm
from memlens.stats.survival import half_life, kaplan_meier, log_rank

if TYPE_CHECKING:
    from memlens.recording import Recording

FACTORS = ("level", "modality", "fact")
#: Fewer lifetimes than this say nothing about how they are spread.
LEAST = 20


def survival(recording: "Recording", *, by: Sequence[str] = FACTORS, max_ages: int = 200) -> xr.Dataset:
    """Kaplan-Meier curves of the entries of the store, all together and by each factor, with a log-rank test of each.

    An entry lives from the segment it is born in until it is dropped, merged or consolidated into another; one that the
    recording's end finds alive is censored. Entries that were dropped in the segment of their birth were never held and are
    left out. The null of a factor is that its groups are held alike: the curve of "all".

    The test takes entries as independent given the factor; two parents that end in one merge are not quite. Factors are
    tested one by one: where a modality is merged more often, its level differs too.

    Parameters
    ----------
    by
        Of "level", "modality" (of the fact, or of most of the slot's window) and "fact" (whether a fact ends in the window).
    max_ages
        Curves are given at this many ages at most.

    Returns
    -------
    xarray.Dataset
        Over ``(group, age)``: ``survival``, its 95 % interval ``low`` and ``high``, ``at_risk``; age in segments. Over
        ``(group)``: ``n``, ``died``, ``half_life`` with ``half_life_low`` and ``half_life_high`` in segments (NaN where more than
        half, or than the limit's half, outlive the recording), coordinates ``factor`` and ``value``. Over ``(tested)``, the
        factors: ``log_rank``, ``degrees``, ``p``, and ``p_adjusted`` for the number of factors (Holm, 1979). Attribute
        ``dropped_at_birth``.

    Raises
    ------
    AnalysisError
        With fewer than 20 entries that were held, or for an unknown factor.
    """
    for name in by:
        if name not in FACTORS:
            raise AnalysisError(f"no factor '{name}'; {closest(name, FACTORS)}")
    if max_ages < 2:
        raise AnalysisError(f"max_ages is {max_ages}; give 2 or more")
    table = recording.tables.entries
    born, died = table.segment - first_segment(recording), table.died
    ended = died >= 0
    duration = np.where(ended, died - first_segment(recording), n_segments(recording)) - born
    held = duration > 0
    if held.sum() < LEAST:
        raise AnalysisError(f"{held.sum()} entries were held, expected {LEAST} or more; record a longer stream")
    duration, ended = duration[held], ended[held]
    groups = [("all", "all", np.ones(duration.size, bool))]
    tests = []
    for name in by:
        code, values = _factor(table.read(name, int)[held], name)
        tests.append(log_rank(duration[code >= 0], ended[code >= 0], code[code >= 0]))
        groups += [(name, value, code == at) for at, value in enumerate(values) if (code == at).any()]
    longest = int(duration.max())
    ages = np.unique(np.linspace(0, longest, min(longest + 1, max_ages)).round().astype(int))
    curves = [kaplan_meier(duration[rows], ended[rows], ages) for _, _, rows in groups]
    halves = [half_life(duration[rows], ended[rows]) for _, _, rows in groups]
    over = ("group", "age")
    p = np.array([test[2] for test in tests])
    dataset = xr.Dataset(
        {
            **{name: (over, np.stack([c[i] for c in curves])) for i, name in enumerate(("survival", "low", "high"))},
            "at_risk": (over, np.stack([c[3] for c in curves]).astype(int)),
            "n": ("group", [int(rows.sum()) for _, _, rows in groups]),
            "died": ("group", [int(ended[rows].sum()) for _, _, rows in groups]),
            "half_life": ("group", [half[0] for half in halves]),
            "half_life_low": ("group", [half[1] for half in halves]),
            "half_life_high": ("group", [half[2] for half in halves]),
            "log_rank": ("tested", np.array([test[0] for test in tests])),
            "degrees": ("tested", np.array([test[1] for test in tests], int)),
            "p": ("tested", p),
            "p_adjusted": ("tested", holm(p)),
        },
        coords={
            "age": ages,
            "factor": ("group", [factor for factor, _, _ in groups]),
            "value": ("group", [value for _, value, _ in groups]),
            "tested": list(by),
        },
    )
    params = {"by": list(by), "max_ages": max_ages}
    return finish(dataset, "survival", recording, duration.size, params, dropped_at_birth=int((~held).sum()))


def _factor(values: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Code of each entry's group (-1 unknown), and the groups' names."""
    if name == "fact":
        return (values >= 0).astype(int), ["no fact", "fact"]
    if name == "modality":
        return values, MODALITIES
    return values, [f"level {level}" for level in range(int(values.max(initial=0)) + 1)]
