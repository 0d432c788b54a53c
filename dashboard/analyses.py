"""Every analysis of the catalogue by its question; those that need no more than the recording are run and drawn here."""

import streamlit as st

from memlens.catalogue import CATALOGUE, find
from memlens.dashboard import shared
from memlens.errors import MemlensError

st.title("Analyses")
offered = [analysis.name for analysis in CATALOGUE if not analysis.needs]
name = st.selectbox(
    "Question",
    offered,
    index=None,
    format_func=lambda name: find(name).question,
    key="analysis",
    placeholder="Choose what you want to know",
)
if name:
    try:
        result = shared.run_analysis(shared.recording_path(), name)
    except MemlensError as error:
        st.info(shared.escape_markdown(str(error)))
    else:
        shared.show_result(name, result)

with st.expander("All analyses", expanded=not name):
    st.caption("Those that need something more are run by the command `memlens analyse`, or from Python.")
    rows = [
        {
            "analysis": analysis.name,
            "title": analysis.title,
            "question": analysis.question,
            "needs": ", ".join(analysis.needs),
        }
        for analysis in CATALOGUE
    ]
    wide = {"question": st.column_config.TextColumn(width="large")}
    st.dataframe(rows, hide_index=True, column_config=wide, key="catalogue")
