"""Panels of marks, described once and drawn twice: by plotly for the screen, by matplotlib for print."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import DASHES, MARKERS, NULL_COLOUR, dress, label, matplotlib_text, plotly_text, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

Kind = Literal["line", "step", "point", "bar"]


@dataclass(frozen=True)
class Mark:
    """One series. ``low`` and ``high`` are its interval: a band of lines and steps, error bars of points and bars.

    ``fades`` draws it as a band without a line, which is how a null is shown; ``note`` is a line of hover text for each place.
    """

    name: str
    x: Any
    y: Any
    colour: str
    kind: Kind = "line"
    low: Any = None
    high: Any = None
    dash: str = "solid"
    symbol: str = "circle"
    note: Sequence[str] | None = None
    fades: bool = False


@dataclass(frozen=True)
class Panel:
    """Axes with their marks. ``ticks`` are names of the whole numbers from 0 on along x; ``line`` is drawn across at that y."""

    title: str
    x: str
    y: str
    marks: Sequence[Mark] = field(default_factory=tuple)
    ticks: Sequence[str] | None = None
    log_x: bool = False
    y_range: tuple[float, float] | None = None
    line: float | None = None


def null_mark(x: Any, low: Any, high: Any, name: str = "null (95 %)") -> Mark:
    """The band in which a null lies.

    Parameters
    ----------
    x, low, high : float [x]
        Where the band is, and its two ends there.
    name : str
        What the legend says.

    Returns
    -------
    Mark
        Without a line in it.
    """
    middle = (np.asarray(low, float) + np.asarray(high, float)) / 2
    return Mark(name, x, middle, NULL_COLOUR, low=low, high=high, fades=True)


def draw_panels(panels: Sequence[Panel], title: str, backend: Backend = "plotly", *, columns: int = 3) -> AnyFigure:
    """Draw panels side by side, in rows of at most ``columns``.

    Parameters
    ----------
    panels : Sequence[Panel]
        One or more, row by row.
    title : str
        Of the whole figure; matplotlib leaves it to the page that the figure stands on.
    backend : str
        "plotly", for the screen, or "matplotlib", for print.
    columns : int
        Panels in a row.

    Returns
    -------
    plotly.graph_objects.Figure or matplotlib.figure.Figure
        By the backend.

    Raises
    ------
    AnalysisError
        For another backend.
    """
    return by_backend(backend, _plotly, _matplotlib)(panels, title, columns)


def _grid(n: int, columns: int) -> tuple[int, int]:
    columns = min(n, columns)
    return -(-n // columns), columns


def _plotly(panels: Sequence[Panel], title: str, columns: int) -> "Figure":
    from plotly.subplots import make_subplots

    rows, columns = _grid(len(panels), columns)
    figure = make_subplots(
        rows,
        columns,
        horizontal_spacing=0.11 if columns > 2 else 0.12,
        vertical_spacing=0.24 / max(rows - 1, 1) if rows > 1 else None,
        subplot_titles=[panel.title for panel in panels],
    )
    shown: set[str] = set()
    for at, panel in enumerate(panels):
        place: dict[str, Any] = {"row": at // columns + 1, "col": at % columns + 1}
        for mark in panel.marks:
            _trace(figure, mark, place, mark.name not in shown)
            shown.add(mark.name)
        if panel.line is not None:
            figure.add_hline(y=panel.line, line={"color": NULL_COLOUR, "width": 1, "dash": "dot"}, **place)
        figure.update_xaxes(title=panel.x, type="log" if panel.log_x else None, **place)
        if panel.ticks is not None:
            words = [plotly_text(tick, 24) for tick in panel.ticks]
            figure.update_xaxes(tickvals=np.arange(len(words)), ticktext=words, **place)
        figure.update_yaxes(title=panel.y, range=panel.y_range, **place)
    figure.update_layout(barmode="group")
    return dress(figure, title, height=450 if rows == 1 else 120 + 330 * rows)


def _trace(figure: "Figure", mark: Mark, place: dict[str, Any], legend: bool) -> None:
    x, y = np.asarray(mark.x), np.asarray(mark.y, float)
    bounds = None if mark.low is None else (np.asarray(mark.low, float), np.asarray(mark.high, float))
    group = {"name": plotly_text(mark.name), "legendgroup": mark.name, **place}
    shape = "hv" if mark.kind == "step" else "linear"
    if bounds is not None and mark.kind in ("line", "step"):
        known = np.isfinite(bounds[0]) & np.isfinite(bounds[1])
        opacity = 0.35 if mark.fades else 0.18
        figure.add_scatter(
            x=np.concatenate([x[known], x[known][::-1]]), y=np.concatenate([bounds[1][known], bounds[0][known][::-1]]), fill="toself",
            fillcolor=mark.colour, opacity=opacity, line={"width": 0}, mode="lines", hoverinfo="skip",
            showlegend=legend and mark.fades, **group,
        )  # fmt: skip
        if mark.fades:
            return
    notes = list(mark.note) if mark.note is not None else [""] * y.size
    if bounds is not None:
        notes = [f"95 %: {a:.4g} to {b:.4g}  {note}" for a, b, note in zip(*bounds, notes, strict=True)]
    common: dict[str, Any] = {
        "x": x, "y": y, "customdata": notes, "showlegend": legend,
        "hovertemplate": "%{x}: %{y:.4g}<br>%{customdata}<extra>" + plotly_text(mark.name) + "</extra>", **group,
    }  # fmt: skip
    if bounds is not None and mark.kind in ("point", "bar"):
        common["error_y"] = {
            "type": "data", "symmetric": False, "array": bounds[1] - y, "arrayminus": y - bounds[0], "thickness": 1.3,
        }  # fmt: skip
    if mark.kind == "bar":
        figure.add_bar(marker={"color": mark.colour}, **common)
    elif mark.kind == "point":
        figure.add_scatter(mode="markers", marker={"color": mark.colour, "symbol": mark.symbol, "size": 9}, **common)
    else:
        line = {"color": mark.colour, "dash": mark.dash, "width": 1.8, "shape": shape}
        figure.add_scatter(mode="lines", line=line, **common)


def _matplotlib(panels: Sequence[Panel], title: str, columns: int) -> "Sheet":
    """One legend below all panels; the title is left to the page that the figure stands on."""
    rows, columns = _grid(len(panels), columns)
    page, axes = sheet(columns, width=min(16.0, 4.4 * columns + 1), height=0.9 + 3.4 * rows, rows=rows)
    handles: dict[str, Any] = {}
    for axis, panel in zip(axes, panels, strict=False):
        bars = sum(mark.kind == "bar" for mark in panel.marks)
        drawn = 0
        for mark in panel.marks:
            handles.setdefault(mark.name, _drawn(axis, mark, bars, drawn))
            drawn += mark.kind == "bar"
        if panel.line is not None:
            axis.axhline(panel.line, color=NULL_COLOUR, linewidth=1, linestyle=":")
        if panel.ticks is not None:
            long = max((len(tick) for tick in panel.ticks), default=0) * len(panel.ticks) > 40
            words = [matplotlib_text(tick, 24) for tick in panel.ticks]
            axis.set_xticks(np.arange(len(words)), words, rotation=40 if long else 0, ha="right" if long else "center")
        if panel.log_x:
            axis.set_xscale("log")
        if panel.y_range is not None:
            axis.set_ylim(*panel.y_range)
        label(axis, panel.title, panel.x, panel.y)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    if handles:
        names = [matplotlib_text(name) for name in handles]
        where = {"loc": "outside lower left", "ncols": 2 * columns, "frameon": False, "fontsize": 9}
        page.legend(list(handles.values()), names, **where)
    return page


def _drawn(axis: "Axes", mark: Mark, bars: int, drawn: int) -> Any:
    """Draw one mark; return what stands for it in the legend."""
    x, y = np.asarray(mark.x), np.asarray(mark.y, float)
    if mark.kind in ("line", "step"):
        handle: Any = None
        if mark.low is not None:
            alpha = 0.35 if mark.fades else 0.15
            step: Any = "post" if mark.kind == "step" else None
            handle = axis.fill_between(x, mark.low, mark.high, step=step, color=mark.colour, alpha=alpha, linewidth=0)
        if mark.fades:
            return handle
        style = {"color": mark.colour, "linestyle": DASHES[mark.dash], "linewidth": 1.4}
        where = "steps-post" if mark.kind == "step" else "default"
        return axis.plot(x, y, drawstyle=where, **style)[0]
    error = None if mark.low is None else np.clip(np.stack([y - mark.low, mark.high - y]), 0, None)
    if mark.kind == "bar":
        width = 0.8 * (float(np.diff(x).min()) if x.size > 1 else 1.0) / bars
        return axis.bar(
            x + (drawn - (bars - 1) / 2) * width,
            y,
            width,
            yerr=error,
            color=mark.colour,
            capsize=2,
            error_kw={"linewidth": 1},
        )
    return axis.errorbar(
        x,
        y,
        yerr=error,
        color=mark.colour,
        marker=MARKERS[mark.symbol],
        linestyle="none",
        markersize=5,
        capsize=2,
        linewidth=1,
    )
