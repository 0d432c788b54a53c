"""Numbers of several streams in words, and what a finding is.

A finding is said to hold where p is at most ``LEVEL`` in every stream, and not to where it is in none; between the two the page says in how
many it was. Values are medians over streams with a bootstrap interval over them; counts of questions are pooled, with Wilson's interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses.common.words import words
from memlens.stats.bootstrap import nested_bootstrap, share_interval

LEVEL = 0.05
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Finding:
    """One sentence or two, and the analysis and recording they come from."""

    text: str
    analysis: str
    run: str


def of(rows: Rows, run: str, analysis: str) -> list[Mapping[str, Any]]:
    """What an analysis said of each stream of a recording, where it could run."""
    found = [row["told"].get(analysis) for row in rows if row["run"] == run]
    return [told for told in found if told is not None and "refused" not in told]


def refusal(rows: Rows, run: str, analysis: str) -> str:
    """Why there is nothing to say."""
    found = [row["told"][analysis] for row in rows if row["run"] == run and analysis in row["told"]]
    why = next((told["refused"] for told in found if "refused" in told), "it was not run")
    return f"Nothing can be said: {why}."


def median(values: Sequence[float | None], form: str = "{:.2f}") -> str:
    """Median over streams with its interval."""
    known = [[value] for value in values if value is not None]
    return words(nested_bootstrap(known, np.median), form) if known else "n/a"


def typical(values: Sequence[float | None], form: str = "{:.2f}") -> str:
    """Median over streams alone: of nulls."""
    known = [value for value in values if value is not None]
    return form.format(np.median(known)) if known else "n/a"


def tally(ps: Sequence[float | None]) -> tuple[int, int]:
    """In how many streams p is at most LEVEL, of how many."""
    known = [p for p in ps if p is not None]
    return sum(p <= LEVEL for p in known), len(known)


def decided(ps: Sequence[float | None], yes: str, no: str) -> str:
    """What is said by whether it holds in every stream, in none, or in some; with the count."""
    found, n = tally(ps)
    if n == 0:
        return f"{no} (it could not be tested)"
    if 0 < found < n:
        return f"It is not settled whether {yes[0].lower()}{yes[1:]} (p ≤ {LEVEL} in {found} of {n} streams)"
    return f"{yes if found else no} (p ≤ {LEVEL} in {found} of {n} streams)"


def settled(ps: Sequence[float | None]) -> str:
    found, n = tally(ps)
    return "yes" if found == n else "unsettled" if found else "not found"


def column(told: Sequence[Mapping[str, Any]], *keys: str) -> list[Any]:
    """One number of each stream, by the keys that lead to it."""
    out = []
    for each in told:
        value: Any = each
        for key in keys:
            value = value[key]
        out.append(value)
    return out


def counted(n: int, total: int) -> str:
    """A share with its interval and n."""
    return f"{words(share_interval(n, total), '{:.1%}')} of {total:,}" if total else "none of 0"
