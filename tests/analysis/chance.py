"""How often an analysis may find what is not there."""

from collections.abc import Iterable

from scipy.stats import binom


def assert_rate(p: Iterable[float], level: float = 0.05) -> None:
    """The share of p-values at or below ``level`` is no larger than ``level``, as far as that many seeds can tell (1 in 1,000)."""
    values = list(p)
    assert len(values) >= 200, f"{len(values)} seeds, expected 200 or more"
    found = sum(value <= level for value in values)
    most = binom.ppf(0.999, len(values), level)
    assert found <= most, f"{found} of {len(values)} found something at level {level}; at most {most:.0f} may"
