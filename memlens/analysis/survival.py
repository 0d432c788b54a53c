"""How long entries are held: survival curves and half-lives by level, modality and fact, and whether they differ."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from memlens.analysis.support.measure import measure
from memlens.analysis.support.result import MODALITIES, first_segment, n_segments
from memlens.errors import AnalysisError, closest
from memlens.stats.comparisons import holm
from memlens.stats.survival import half_life, kaplan_meier, log_rank

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike

FACTORS = ("level", "modality", "fact")
#: Fewer lifetimes than this say nothing about how they are spread.
LEAST = 20


@measure
def survival(recording: "RecordingLike", *, by: Sequence[str] = FACTORS, max_ages: int = 200) -> xr.Dataset:
    """Kaplan-Meier curves of the entries of the store, all together and by each factor, with a log-rank test of each.

    An entry lives from the segment it is born in until it is dropped, merged or consolidated into another; one that the
    recording's end finds alive is censored. Entries that were dropped in the segment of their birth were never held and are
    left out. The null of a factor is that its groups are held alike: the curve of "all".

    The test takes entries as independent given the factor; two parents that end in one merge are not quite. Factors are
    tested one by one: where a modality is merged more often, its level differs too.

    Parameters
    ----------
    recording : Recording
        With entries.
    by : sequence of str
        Of "level", "modality" (of the fact, or of most of the slot's window) and "fact" (whether a fact ends in the window).
    max_ages : int
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
    duration, died = _lifetimes(recording)
    held = duration > 0
    if held.sum() < LEAST:
        raise AnalysisError(f"{held.sum()} entries were held, expected {LEAST} or more; record a longer stream")
    duration, died = duration[held], died[held]
    factors = {name: _factor(table.read(name, int)[held], name) for name in by}
    groups = [("all", "all", np.ones(duration.size, bool))]
    for name, (code, values) in factors.items():
        groups += [(name, value, code == at) for at, value in enumerate(values) if (code == at).any()]
    longest = int(duration.max())
    ages = np.unique(np.linspace(0, longest, min(longest + 1, max_ages)).round().astype(int))
    return xr.Dataset(
        {
            **_by_group(duration, died, [rows for _, _, rows in groups], ages),
            **_tests(duration, died, [code for code, _ in factors.values()]),
        },
        coords={
            "age": ages,
            "factor": ("group", [factor for factor, _, _ in groups]),
            "value": ("group", [value for _, value, _ in groups]),
            "tested": list(by),
        },
        attrs={"n": duration.size, "dropped_at_birth": int((~held).sum())},
    )


def _lifetimes(recording: "RecordingLike") -> tuple[np.ndarray, np.ndarray]:
    """Segments that each entry was held, until it died or the recording ended, and whether it died."""
    table, first = recording.tables.entries, first_segment(recording)
    born, died = table.segment - first, table.died
    return np.where(died >= 0, died - first, n_segments(recording)) - born, died >= 0


def _by_group(duration: np.ndarray, died: np.ndarray, groups: list[np.ndarray], ages: np.ndarray) -> dict[str, object]:
    curves = [kaplan_meier(duration[rows], died[rows], ages) for rows in groups]
    halves = [half_life(duration[rows], died[rows]) for rows in groups]
    over = ("group", "age")
    return {
        **{name: (over, np.stack([c[i] for c in curves])) for i, name in enumerate(("survival", "low", "high"))},
        "at_risk": (over, np.stack([c[3] for c in curves]).astype(int)),
        "n": ("group", [int(rows.sum()) for rows in groups]),
        "died": ("group", [int(died[rows].sum()) for rows in groups]),
        **{f"half_life{end}": ("group", [half[at] for half in halves]) for at, end in enumerate(("", "_low", "_high"))},
    }


def _tests(duration: np.ndarray, died: np.ndarray, factors: list[np.ndarray]) -> dict[str, object]:
    """A log-rank test a factor, of the entries whose group is known."""
    tests = [log_rank(duration[code >= 0], died[code >= 0], code[code >= 0]) for code in factors]
    p = np.array([test[2] for test in tests])
    return {
        "log_rank": ("tested", np.array([test[0] for test in tests])),
        "degrees": ("tested", np.array([test[1] for test in tests], int)),
        "p": ("tested", p),
        "p_adjusted": ("tested", holm(p)),
    }


def _factor(values: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Code of each entry's group (-1 unknown), and the groups' names."""
    if name == "fact":
        return (values >= 0).astype(int), ["no fact", "fact"]
    if name == "modality":
        return values, MODALITIES
    return values, [f"level {level}" for level in range(int(values.max(initial=0)) + 1)]
