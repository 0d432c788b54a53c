"""What the controller did over the stream, how full the store was, and which questions were answered."""

import streamlit as st

from memlens.dashboard import shared
from memlens.errors import AnalysisError

QUESTION_COLUMNS = ["segment", "position", "distance", "text", "answer", "predicted", "correct", "loss"]
#: Questions as marks over the same segments: right ones are green circles, wrong ones vermillion crosses.
QUESTION_MARKS = {
    "mark": {"type": "point", "filled": False, "size": 70, "strokeWidth": 2},
    "encoding": {
        "x": {"field": "segment", "type": "quantitative", "title": "segment in which it was asked"},
        "y": {
            "field": "distance",
            "type": "quantitative",
            "title": "tokens since the fact",
            "scale": {"type": "symlog", "constant": 100},
            "axis": {"values": [0, 128, 512, 2048, 8192, 32768, 131072, 524288, 2097152]},
        },
        "color": {
            "field": "correct",
            "scale": {"domain": [True, False], "range": ["#009E73", "#D55E00"]},
            "title": "answered right",
        },
        "shape": {"field": "correct", "scale": {"domain": [True, False], "range": ["circle", "cross"]}},
        "tooltip": [{"field": name} for name in QUESTION_COLUMNS],
    },
    "height": 260,
}

st.title("Timeline")
try:
    decisions = shared.run_analysis(shared.recording_path(), "decisions")
except AnalysisError as error:
    decisions = None
    st.info(shared.escape_markdown(str(error)))
occupancy = shared.run_analysis(shared.recording_path(), "occupancy")

first, last = int(occupancy["segment"][0]), int(occupancy["segment"][-1])
low, high = first, last
if last > first:
    low, high = st.slider("Segments", first, last, (first, last), key="segments", bind="query-params")
shown = {"segment": slice(low, high)}

if decisions is not None:
    shared.show_result("decisions", decisions.sel(shown), whole=decisions)
shared.show_result("occupancy", occupancy.sel(shown), whole=occupancy)

st.subheader("Questions")
asked = shared.question_table(shared.recording_path())
asked = asked[asked["segment"].between(low, high)][QUESTION_COLUMNS]
if len(asked) == 0:
    st.info("No question was asked in these segments.")
else:
    st.vega_lite_chart(asked, QUESTION_MARKS, key="questions")
    st.dataframe(asked, hide_index=True, key="question_table")
