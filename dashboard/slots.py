"""Where the slots lie, and what one of them was written from, became, and was read for."""

import streamlit as st

from memlens.dashboard import shared

PLACE = ("sequence", "segment", "slot")


def pick() -> None:
    """Take the clicked point's place from its customdata; the chart's own selection dies with the next redraw."""
    points = st.session_state["figure of slot_map"].selection.points
    if points:
        for name, value in zip(PLACE, points[0]["customdata"], strict=False):
            st.session_state[name] = int(value)


st.title("Slots")
slots = shared.recording()["context.hook_slot"]
segments = shared.recording().tables.segments.segment

method = st.segmented_control("Map", ["pca", "umap"], default="pca", required=True, key="method", bind="query-params")
where = shared.run_analysis(shared.recording_path(), "slot_map", method=method)
shared.show_result("slot_map", where, on_select=pick, selection_mode="points")

st.subheader("One slot")
st.caption("Click a mark in the map, or name its place:")
columns = st.columns(3)
bounds = ((0, slots.sizes["sequence"] - 1), (int(segments[0]), int(segments[-1])), (0, slots.sizes["slot"] - 1))
place = {}
for column, name, (low, high) in zip(columns, PLACE, bounds, strict=True):
    place[name] = column.number_input(name, low, high, key=name, bind="query-params")

history = shared.run_analysis(shared.recording_path(), "slot_history", **place)
shared.show_result("slot_history", history)
written, read = st.columns(2)
written.markdown("**Written from**, the picked position first")
written.dataframe(history[["window_position", "token", "write"]].to_dataframe(), hide_index=True, key="written")
read.markdown("**Read by**")
read.dataframe(
    history[["question_segment", "question_text", "answer", "predicted", "correct", "weight"]].to_dataframe(),
    hide_index=True,
    key="read",
)
