"""The dashboard, which ``memlens open RUN`` starts behind server.py."""

import streamlit as st

from memlens.dashboard import shared
from memlens.errors import MemlensError

st.set_page_config(page_title="memlens", layout="wide")
page = st.navigation(
    [
        st.Page("timeline.py", title="Timeline", default=True),
        st.Page("slots.py", title="Slots"),
        st.Page("analyses.py", title="Analyses"),
    ]
)
try:
    shared.choose_recording()
    page.run()
except MemlensError as error:
    st.error(shared.escape_markdown(str(error)))
