"""One slot: what it was written from, what was decided about it, which questions read it."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.figures.backend import AnyFigure, Backend, by_backend
from memlens.figures.style import (
    ACCENT,
    ACTION_COLOUR,
    ACTION_DASH,
    ACTION_LETTER,
    DASHES,
    dress,
    label,
    matplotlib_text,
    plotly_text,
    several,
    sheet,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Sheet
    from plotly.graph_objects import Figure

ACTIONS = list(ACTION_COLOUR)
RIGHT, WRONG = "#009E73", "#D55E00"


def _title(dataset: "xr.Dataset") -> str:
    at = dataset.attrs
    entry = f"entry {at['entry']}" if at["entry"] >= 0 else "never an entry"
    return f"Slot {at['slot']} of segment {at['segment']}, sequence {at['sequence']} ({entry}, {at['modality']})"


def _own(dataset: "xr.Dataset") -> "xr.Dataset":
    """Decisions on the entry itself, without its descendants'."""
    return dataset.isel(decision=np.flatnonzero(dataset["decision_entry"].values == dataset.attrs["entry"]))


def _plotly(dataset: "xr.Dataset") -> "Figure":
    from plotly.subplots import make_subplots

    figure = make_subplots(
        3,
        1,
        vertical_spacing=0.14,
        subplot_titles=[
            "written from",
            f"decisions (n = {dataset.sizes['decision']:,}, descendants' included)",
            f"read by questions (n = {dataset.sizes['question']:,})",
        ],
    )
    _add_window(figure, dataset)
    _add_decisions(figure, dataset)
    _add_reads(figure, dataset)
    return dress(figure, _title(dataset), height=900)


def _add_window(figure: "Figure", dataset: "xr.Dataset") -> None:
    window = dataset.isel(window=slice(None, None, -1))
    figure.add_bar(
        x=window["window_position"].values,
        y=window["write"].values,
        marker={"color": ACCENT},
        showlegend=False,
        row=1,
        col=1,
        text=[plotly_text(token, 14) for token in window["token"].values],
        textposition="outside",
        textangle=-60,
        hovertemplate="position %{x}: %{y:.3f}<br>%{text}<extra></extra>",
        cliponaxis=False,
    )
    figure.update_xaxes(title="stream position (tokens)", row=1)
    figure.update_yaxes(title="write attention", row=1)
    figure.update_yaxes(range=[0, 1.4 * max(float(window["write"].max()), 1e-6)], row=1)


def _add_decisions(figure: "Figure", dataset: "xr.Dataset") -> None:
    own = _own(dataset)
    for at, (action, colour) in enumerate(ACTION_COLOUR.items()):
        figure.add_scatter(
            x=own["decision_segment"].values,
            y=own["q"].values[:, at],
            mode="lines",
            name=action,
            line={"color": colour, "dash": ACTION_DASH[action]},
            legendgroup=action,
            row=2,
            col=1,
        )
        done = np.flatnonzero(dataset["executed"].values == at)
        figure.add_scatter(
            x=dataset["decision_segment"].values[done],
            y=dataset["q"].values[done, at],
            mode="markers+text",
            text=ACTION_LETTER[action],
            textposition="top center",
            marker={"color": colour, "size": 7},
            legendgroup=action,
            customdata=dataset["decision_entry"].values[done],
            showlegend=False,
            row=2,
            col=1,
            hovertemplate="segment %{x}, entry %{customdata}: " + action + ", Q %{y:.4f} nat<extra></extra>",
        )
    figure.update_xaxes(title="segment", row=2)
    figure.update_yaxes(title="Q (nat)", row=2)


def _add_reads(figure: "Figure", dataset: "xr.Dataset") -> None:
    correct = dataset["correct"].values.astype(bool)
    figure.add_bar(
        x=dataset["question_segment"].values,
        y=dataset["weight"].values,
        showlegend=False,
        row=3,
        col=1,
        marker={"color": np.where(correct, RIGHT, WRONG).tolist()},
        customdata=np.array(
            [
                [plotly_text(q), plotly_text(a), plotly_text(p)]
                for q, a, p in zip(
                    dataset["question_text"].values, dataset["answer"].values, dataset["predicted"].values, strict=True
                )
            ],
            dtype=object,
        ).reshape(-1, 3),
        hovertemplate="%{customdata[0]}<br>answer %{customdata[1]}, predicted %{customdata[2]}<br>"
        "weight %{y:.3f}<extra></extra>",
    )
    figure.update_xaxes(title="segment of the question (green: answered right)", row=3)
    figure.update_yaxes(title="weight of the reads", rangemode="tozero", row=3)


def _matplotlib(dataset: "xr.Dataset") -> "Sheet":
    page, (left, middle, right) = sheet(3, width=14, height=5.2, width_ratios=[1.4, 1, 1])
    window = dataset.isel(window=slice(None, None, -1))
    place = np.arange(window.sizes["window"])
    left.barh(place, window["write"].values, color=ACCENT)
    left.set_yticks(place, [matplotlib_text(token, 14) for token in window["token"].values], fontsize=6)
    left.invert_yaxis()
    label(left, _title(dataset), "write attention", "window, in reading order")
    own = _own(dataset)
    for at, (action, colour) in enumerate(ACTION_COLOUR.items()):
        middle.plot(
            own["decision_segment"].values,
            own["q"].values[:, at],
            color=colour,
            linestyle=DASHES[ACTION_DASH[action]],
            label=action,
        )
        done = np.flatnonzero(dataset["executed"].values == at)
        middle.scatter(
            dataset["decision_segment"].values[done],
            dataset["q"].values[done, at],
            s=26,
            color=colour,
            marker=f"${ACTION_LETTER[action]}$",
        )
    middle.legend(frameon=False, fontsize=8)
    label(middle, f"Decisions (n = {dataset.sizes['decision']:,})", "segment", "Q (nat)")
    correct = dataset["correct"].values.astype(bool)
    for rows, colour, name in ((correct, RIGHT, "right"), (~correct, WRONG, "wrong")):
        right.scatter(
            dataset["question_segment"].values[rows],
            dataset["weight"].values[rows],
            color=colour,
            s=22,
            label=name,
            marker="o" if name == "right" else "x",
        )
    right.set_ylim(bottom=0)
    right.legend(frameon=False, fontsize=8)
    label(right, f"Read by questions (n = {dataset.sizes['question']:,})", "segment of the question", "weight of reads")
    return page


def plot_slot_history(dataset: "xr.Dataset", backend: Backend = "plotly") -> AnyFigure:
    """Draw the result of `memlens.analysis.slot_history`: the window in reading order, Q over time, and reads.

    Parameters
    ----------
    dataset : xarray.Dataset
        What `memlens.analysis.slot_history` returned.
    backend : str
        "plotly", for the screen, or "matplotlib", for print.

    Returns
    -------
    plotly.graph_objects.Figure or matplotlib.figure.Figure
        By the backend.

    Raises
    ------
    AnalysisError
        For another backend.
    """
    return by_backend(backend, _plotly, _matplotlib)(dataset)


def caption(dataset: "xr.Dataset") -> str:
    """Say what the slot took most from, how it was decided on, and who read it."""
    write = dataset["write"].values
    top = int(write.argmax())
    text = (
        f"Of its write attention {100 * write[top]:.0f} % went to '{dataset['token'].values[top]}' at position "
        f"{int(dataset['window_position'].values[top]):,}. "
    )
    if dataset.attrs["entry"] < 0:
        return text + "It never became an entry of the store."
    merges, reads = several(dataset.sizes["descendant"] - 1, "merge"), dataset.sizes["question"]
    right = int(dataset["correct"].values.sum())
    return text + (
        f"Entry {dataset.attrs['entry']} and the {merges} it went into were decided on "
        f"{several(dataset.sizes['decision'], 'time')}; "
        + (
            f"{several(reads, 'question')} read them, {right:,} of these answered right, at a mean weight of "
            f"{float(dataset['weight'].mean()):.2f}."
            if reads
            else "no question read them."
        )
    )
