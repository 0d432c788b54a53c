"""Colours, marks and words that all figures share. Actions are in Okabe and Ito's palette, modalities in Paul Tol's."""

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

#: Okabe and Ito, 2008, "Color Universal Design": safe for the common colour blindnesses.
ACTION_COLOUR = {"STORE": "#0072B2", "COMPRESS": "#E69F00", "RETRIEVE": "#009E73", "DISCARD": "#D55E00"}
ACTION_LETTER = {"STORE": "S", "COMPRESS": "C", "RETRIEVE": "R", "DISCARD": "D"}
ACTION_DASH = {"STORE": "solid", "COMPRESS": "dash", "RETRIEVE": "dot", "DISCARD": "dashdot"}
#: Paul Tol, 2021, "Colour schemes", qualitative muted.
MODALITY_COLOUR = {
    "text": "#332288",
    "image": "#CC6677",
    "audio": "#999933",
    "dna": "#44AA99",
    "all": "#222222",
    "none": "#999999",
}
MODALITY_SYMBOL = {
    "text": "circle",
    "image": "square",
    "audio": "diamond",
    "dna": "triangle-up",
    "all": "x",
    "none": "cross",
}
LEVEL_COLOUR = ["#004D40", "#1E88E5", "#D81B60", "#B8860B", "#5D4037", "#7E57C2"]
NULL_COLOUR = "#8A8A8A"
INK = "#1B1F24"
GRID = "#E4E7EB"
ACCENT = "#0072B2"

DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
MARKERS = {"circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "x": "x", "cross": "+"}

#: A scatter draws at most this many points.
MOST_POINTS = 50_000


def plotly_text(text: object, most: int = 60) -> str:
    """Recorded text as plotly may show it: markup escaped, white space visible.

    Parameters
    ----------
    text : object
        Anything; its `str` is shown.
    most : int
        Characters after which it is cut.

    Returns
    -------
    str
        HTML-escaped.
    """
    words = str(text).replace("\n", "⏎").replace("\t", "⇥")
    words = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
    return html.escape(words if len(words) <= most else words[: most - 1] + "…", quote=False)


def matplotlib_text(text: object, most: int = 60) -> str:
    """Recorded text as matplotlib may show it: white space visible, and no `$` that starts mathematics.

    Parameters
    ----------
    text : object
        Anything; its `str` is shown.
    most : int
        Characters after which it is cut.

    Returns
    -------
    str
        Not HTML-escaped.
    """
    return html.unescape(plotly_text(text, most)).replace("\\", "\N{SET MINUS}").replace("$", r"\$")


def tokens(number: float) -> str:
    """Short count: 512, 4.1K, 1.2M."""
    for size, unit in ((1e6, "M"), (1e3, "K")):
        if abs(number) >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def spans(low: Iterable[float], high: Iterable[float]) -> list[str]:
    """Labels of distance bins.

    Parameters
    ----------
    low, high : Iterable[float]
        Ends of each bin, tokens.

    Returns
    -------
    list[str]
        Such as "512–4.1K".
    """
    return [f"{tokens(a)}–{tokens(b)}" for a, b in zip(low, high, strict=True)]


def p_text(p: float, draws: int) -> str:
    """A p-value in words.

    Parameters
    ----------
    p : float
        Monte-Carlo p.
    draws : int
        Draws of its null, which set the least p there can be.

    Returns
    -------
    str
        "p = 0.03", or at its floor "p ≤ 0.025".
    """
    floor = 1 / (draws + 1)
    return f"p ≤ {floor:.2g}" if p <= floor * 1.0001 else f"p = {p:.2g}"


def level_colour(level: int) -> str:
    """Colour of a store level."""
    return LEVEL_COLOUR[level % len(LEVEL_COLOUR)]


def scalar(dataset: Any, name: str) -> float:
    """A variable without dims, as a number.

    Parameters
    ----------
    dataset : xarray.Dataset
        A result.
    name : str
        Of the variable.

    Returns
    -------
    float
        In the unit of the variable.
    """
    return float(dataset[name].values)


def percent(value: float) -> str:
    """Percent with one digit, or "n/a"."""
    return f"{100 * value:.1f} %" if np.isfinite(value) else "n/a"


def below(axes: "Axes", columns: int) -> None:
    """Put a legend under the axes, where it covers no data.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With labelled marks.
    columns : int
        Entries in a line.
    """
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=columns, frameon=False, fontsize=9)


def several(n: int, word: str) -> str:
    """A count with its noun.

    Parameters
    ----------
    n : int
        How many.
    word : str
        One of them.

    Returns
    -------
    str
        "1 merge", "2 merges".
    """
    return f"{n:,} {word}" + ("" if n == 1 else "s")


def dress(figure: "Figure", title: str, height: int = 450) -> "Figure":
    """Give a plotly figure the shared layout.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        Changed in place.
    title : str
        Escaped.
    height : int
        Pixels.

    Returns
    -------
    plotly.graph_objects.Figure
        The same figure.
    """
    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": "#9AA3AD",
        "ticks": "outside",
        "tickcolor": "#9AA3AD",
        "automargin": True,
    }
    figure.update_layout(
        title={"text": title, "x": 0, "xref": "paper", "font": {"size": 16, "color": INK}},
        template="none",
        height=height,
        paper_bgcolor="white",
        plot_bgcolor="white",
        font={"family": "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif", "size": 13, "color": INK},
        margin={"l": 70, "r": 24, "t": 72, "b": 104},
        hoverlabel={"align": "left"},
        spikedistance=0,
        legend={"orientation": "h", "x": 0, "y": 0.01, "yanchor": "bottom", "yref": "container"},
    )
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def sheet(
    columns: int = 2, width: float = 10.0, height: float = 4.2, *, rows: int = 1, **options: Any
) -> "tuple[Sheet, list[Axes]]":
    """A matplotlib figure with clean axes; it belongs to no window and no global state.

    Parameters
    ----------
    columns, rows : int
        Of the grid of axes.
    width, height : float
        Of the whole, inches.
    **options
        Of `matplotlib.figure.Figure.subplots`.

    Returns
    -------
    tuple[matplotlib.figure.Figure, list[matplotlib.axes.Axes]]
        The figure, and its axes row by row.
    """
    from matplotlib.figure import Figure as Sheet

    page = Sheet(figsize=(width, height), layout="constrained", facecolor="white")
    axes = page.subplots(rows, columns, squeeze=False, **options).ravel()
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.spines[["left", "bottom"]].set_color("#9AA3AD")
        each.grid(color=GRID, linewidth=0.8)
        each.set_axisbelow(True)
        each.tick_params(labelsize=9, colors=INK)
    return page, list(axes)


def label(axes: "Axes", title: str, x: str, y: str) -> None:
    """Set title and axis labels in the shared sizes.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Changed in place.
    title, x, y : str
        Texts of the title and the two axes.
    """
    axes.set_title(title, fontsize=11, loc="left", color=INK)
    axes.set_xlabel(x, fontsize=10, color=INK)
    axes.set_ylabel(y, fontsize=10, color=INK)
