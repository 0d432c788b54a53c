"""How often an analysis may find what is not there."""

from collections.abc import Iterable

import pytest
from scipy.stats import binom

#: Seeds of recordings in which nothing is planted: a few in every run, and as many as tell 5 % from 10 % in a slow one.
SEEDS = pytest.mark.parametrize("seeds", [50, pytest.param(200, marks=pytest.mark.slow)])


def assert_rate(p: Iterable[float], level: float = 0.05) -> None:
    """The share of p-values at or below ``level`` is no larger than ``level``, as far as that many seeds can tell (1 in 1,000)."""
    values = list(p)
    assert len(values) >= 50, f"{len(values)} seeds, expected 50 or more"
    found = sum(value <= level for value in values)
    most = binom.ppf(0.999, len(values), level)
    assert found <= most, f"{found} of {len(values)} found something at level {level}; at most {most:.0f} may"
