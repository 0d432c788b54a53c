"""What a study is about: a claim as it was stated, how a result of it is judged, and how it is drawn.

A result is what a study's file holds, as JSON gives it back (`analyses.common.runner` lists its keys). Verdicts and drawings are made from
it alone, so that a kept result can be judged and drawn again without measuring.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

Result = dict[str, Any]
Status = Literal["holds", "holds under conditions", "does not hold", "not measured yet"]


@dataclass(frozen=True)
class Table:
    """Cells as text, the columns' names above."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Verdict:
    """What a result says about a claim: a status, sentences with their figures, and tables."""

    status: Status
    sentences: tuple[str, ...]
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """A figure of a result: ``what``.svg, drawn by matplotlib, with a caption that claims one thing."""

    what: str
    draw: "Callable[[Result], Sheet]"
    caption: Callable[[Result], str]


@dataclass(frozen=True)
class Claim:
    """A claim, its place on the claims page, and how a result is judged and drawn.

    ``study`` is the name of the study that measures it: its folder in analyses/, and that of its results. ``verdict`` computes from the
    result alone; its thresholds stand in the study's code.
    """

    study: str
    number: int
    title: str
    stated: str
    verdict: Callable[[Result], Verdict]
    drawings: tuple[Drawing, ...] = ()
