"""What the pages share: the chosen recording, opened once; results, computed once; recorded text, shown as it is."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from memlens.recording import Recording


@st.cache_resource(max_entries=4, show_spinner="Opening the recording")
def open_recording(path: str) -> "Recording":
    """Open a recording; it stays open until the button "Read again" is pressed."""
    from memlens import recording

    return recording.open(path)


@st.cache_data(max_entries=64, show_spinner="Running the analysis")
def run_analysis(path: str, name: str, **params: Any) -> "xr.Dataset":
    """Run an analysis of the recording at ``path`` by its name.

    Parameters
    ----------
    path : str
        Folder of the recording.
    name : str
        Of the analysis, as in `memlens.catalogue`.
    **params
        Of the analysis.

    Returns
    -------
    xarray.Dataset
        The result of the analysis.
    """
    from memlens import catalogue

    return catalogue.run(name, open_recording(path), **params)


@st.cache_data(max_entries=8)
def question_table(path: str) -> "pd.DataFrame":
    """The questions of a recording, one row each."""
    table = open_recording(path).questions
    columns = [name for name, column in table.variables.items() if column.dims == ("question",)]
    return table[columns].to_dataframe()


def show_result(name: str, dataset: "xr.Dataset", whole: "xr.Dataset | None" = None, **options: Any) -> None:
    """Draw the result of an analysis, with its caption below.

    Parameters
    ----------
    name : str
        Of the analysis.
    dataset : xarray.Dataset
        What is drawn: the result, or a part of it.
    whole : xarray.Dataset, optional
        The whole result, which the caption is then about.
    **options
        Of `streamlit.plotly_chart`.
    """
    from memlens import figures

    st.plotly_chart(figures.plot(name, dataset), key=f"figure of {name}", theme=None, **options)
    caption = figures.caption(name, dataset if whole is None else whole)
    st.caption(escape_markdown(caption if whole is None else f"The whole recording: {caption}"))


def choose_recording() -> None:
    """Draw the sidebar in which a recording is chosen, and say what it is."""
    given = sys.argv[1] if len(sys.argv) > 1 else ""
    with st.sidebar:
        st.text_input("Recording", given, key="run", bind="query-params", placeholder="folder of a recording")
        if st.button("Read again", icon=":material/refresh:", help="After the recording has grown"):
            open_recording.clear()
            run_analysis.clear()
            question_table.clear()
        if not st.session_state["run"]:
            st.info("Give the folder that `memlens record -o` wrote.")
            st.stop()
        info = recording().info
        st.text(f"{info.model}, policy {info.policy}")
        st.text(f"{info.n_token:,} tokens" + ("" if info.complete else ", not complete"))
        st.caption(escape_markdown(f"{info.created}, {info.dtype}, id {info.id}"))


def recording_path() -> str:
    """Path of the chosen recording: the folder itself, or the ``recording`` folder inside a demo's."""
    chosen = Path(st.session_state["run"])
    return str(chosen / "recording" if (chosen / "recording").is_dir() else chosen)


def recording() -> "Recording":
    """The chosen recording."""
    return open_recording(recording_path())


def escape_markdown(text: str) -> str:
    """Escape Markdown, so that recorded text is shown as it is and never interpreted."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", text)
