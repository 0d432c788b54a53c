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


@st.cache_data(show_spinner="Looking for recordings")
def find_recordings(root: str) -> dict[str, str]:
    """Path of each recording in the folder that the dashboard was started on, by id. Nothing else is ever opened."""
    from memlens.recording.reading.folder import recordings_in

    return {ident: str(path) for ident, path in recordings_in(Path(root)).items()}


def choose_recording() -> None:
    """Draw the sidebar in which a recording is chosen, and say what it is."""
    root = sys.argv[1] if len(sys.argv) > 1 else ""
    offered = find_recordings(root) if root else {}
    asked = st.query_params.get("run", "")
    if asked in offered:
        st.session_state["run"] = asked
    with st.sidebar:
        if not offered:
            st.info("No recording was given. Start this page with `memlens open RUN`.")
            st.stop()
        st.selectbox(
            "Recording",
            list(offered),
            format_func=lambda ident: Path(offered[ident]).name,
            key="run",
            on_change=_note_choice,
        )
        if st.button("Read again", icon=":material/refresh:", help="After the recording has grown"):
            for cached in (open_recording, run_analysis, question_table, find_recordings):
                cached.clear()
        if asked and asked not in offered:
            # the same words whatever was asked for: the address says nothing of what else is on this machine
            st.warning("The recording that the address names is not one of those in this folder; choose one above.")
            st.stop()
        _note_choice()
        info = recording().info
        st.text(f"{info.model}, policy {info.policy}")
        st.text(f"{info.n_token:,} tokens" + ("" if info.complete else ", not complete"))
        st.caption(escape_markdown(f"{info.created}, {info.dtype}, id {info.id}"))


def _note_choice() -> None:
    """Put the id of the chosen recording into the address, which may then be kept or shared."""
    st.query_params["run"] = st.session_state["run"]


def recording_path() -> str:
    """Path of the chosen recording, which is one of `find_recordings`."""
    return find_recordings(sys.argv[1])[st.session_state["run"]]


def recording() -> "Recording":
    """The chosen recording."""
    return open_recording(recording_path())


def escape_markdown(text: str) -> str:
    """Escape Markdown, so that recorded text is shown as it is and never interpreted."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", text)
