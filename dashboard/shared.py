"""What the pages share: the chosen recording, opened once; measures, computed once; text that is shown as it is."""

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
def opened(path: str) -> "Recording":
    """Open a recording; kept until the page's reload button drops it."""
    from memlens import recording

    return recording.open(path)


@st.cache_data(max_entries=64, show_spinner="Measuring")
def measured(path: str, name: str, **params: Any) -> "xr.Dataset":
    """Run an analysis by its name."""
    from memlens import catalogue

    return catalogue.run(name, opened(path), **params)


@st.cache_data(max_entries=8)
def questions(path: str) -> "pd.DataFrame":
    """The questions of a recording, one row each."""
    table = opened(path).questions
    columns = [name for name, column in table.variables.items() if column.dims == ("question",)]
    return table[columns].to_dataframe()


def show(name: str, dataset: "xr.Dataset", whole: "xr.Dataset | None" = None, **options: Any) -> None:
    """Draw the result of the analysis called ``name``, and say in words what is in it, or in the ``whole`` of it."""
    from memlens import figures

    st.plotly_chart(figures.plot(name, dataset), key=name, theme=None, **options)
    said = figures.caption(name, dataset if whole is None else whole)
    st.caption(plain(said if whole is None else f"The whole recording: {said}"))


def choose() -> None:
    """Draw the sidebar in which a recording is chosen, and say what it is."""
    given = sys.argv[1] if len(sys.argv) > 1 else ""
    with st.sidebar:
        st.text_input("Recording", given, key="run", bind="query-params", placeholder="folder of a recording")
        if st.button("Read again", icon=":material/refresh:", help="After the recording has grown"):
            opened.clear()
            measured.clear()
            questions.clear()
        if not st.session_state["run"]:
            st.info("Give the folder that `memlens record -o` wrote.")
            st.stop()
        info = recording().info
        st.text(f"{info.model}, policy {info.policy}")
        st.text(f"{info.n_token:,} tokens" + ("" if info.complete else ", not complete"))
        st.caption(plain(f"{info.created}, {info.dtype}, id {info.id}"))


def path() -> str:
    """Path of the chosen recording: the folder itself, or the ``recording`` folder inside a demo's."""
    chosen = Path(st.session_state["run"])
    return str(chosen / "recording" if (chosen / "recording").is_dir() else chosen)


def recording() -> "Recording":
    """The chosen recording."""
    return opened(path())


def plain(text: str) -> str:
    """Escape Markdown, so that recorded text is shown as it is and never interpreted."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", text)
