"""The panel that most figures share: what was measured, its interval, and its null beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.style import ACCENT, NULL_COLOUR, below

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % interval (NaN: none) and the draws of its null."""

    name: str
    value: float
    low: float
    high: float
    null: np.ndarray

    @property
    def errors(self) -> tuple[float, float]:
        """Lengths of the interval's two arms, 0 where there is none."""
        arms = self.value - self.low, self.high - self.value
        return tuple(float(max(arm, 0.0)) if np.isfinite(arm) else 0.0 for arm in arms)  # pyright: ignore[reportReturnType]


def plotly_against_null(
    figure: "Figure", measures: Sequence[Measured], row: int, col: int, legend: bool = True
) -> None:
    """Draw nulls as boxes of all draws and measured values as diamonds with intervals into one panel.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        With subplots.
    measures : Sequence[Measured]
        Side by side along x.
    row, col : int
        Of the panel, from 1.
    legend : bool
        Whether this panel says what the marks are.
    """
    for at, each in enumerate(measures):
        figure.add_box(
            y=each.null,
            x=[each.name] * each.null.size,
            name="null",
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            marker={"color": NULL_COLOUR, "size": 4},
            line={"width": 1},
            showlegend=legend and at == 0,
            legendgroup="null",
            row=row,
            col=col,
        )
        lower, upper = each.errors
        figure.add_scatter(
            x=[each.name],
            y=[each.value],
            name="measured",
            mode="markers",
            marker={"symbol": "diamond", "size": 12, "color": ACCENT},
            error_y={"type": "data", "symmetric": False, "array": [upper], "arrayminus": [lower]},
            showlegend=legend and at == 0,
            legendgroup="measured",
            row=row,
            col=col,
        )


def matplotlib_against_null(axes: "Axes", measures: Sequence[Measured], legend: bool = True) -> None:
    """Draw nulls as all their draws and measured values as diamonds with intervals into one panel.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The panel.
    measures : Sequence[Measured]
        Side by side along x.
    legend : bool
        Whether this panel says what the marks are.
    """
    for at, each in enumerate(measures):
        spread = np.linspace(-0.18, 0.18, each.null.size)
        axes.scatter(at + spread, each.null, s=8, color=NULL_COLOUR, label="null" if at == 0 else None)
        axes.errorbar(
            [at],
            [each.value],
            yerr=np.array(each.errors)[:, None],
            fmt="D",
            markersize=8,
            capsize=4,
            color=ACCENT,
            label="measured" if at == 0 else None,
        )
    axes.set_xticks(range(len(measures)), [each.name for each in measures])
    axes.set_xlim(-0.5, len(measures) - 0.5)
    if legend:
        below(axes, 2)
