import json

import networkx as nx
import numpy as np
import pytest

from memlens.analysis import answer_sources, lineage
from memlens.analysis.support.graph import lineage_graph
from memlens.errors import AnalysisError, RecordingError
from memlens.testing import write_recording
from memlens.testing.dynamics import planted_lineage

from .chance import SEEDS, assert_rate


@pytest.fixture(scope="module")
def planted():
    return planted_lineage(None, n_segment=60)


@pytest.fixture(scope="module")
def truth(planted):
    return json.loads(planted.attrs["truth"])


def slots_of(entry: int, parents: dict) -> list[int]:
    """Fresh slots of an entry, by recursion over what was planted."""
    return [s for p in parents[str(entry)] for s in slots_of(p, parents)] if str(entry) in parents else [entry]


def test_every_source_of_every_merge_is_found(planted, truth) -> None:
    found = lineage(planted)
    at = {int(entry): i for i, entry in enumerate(found["entry"].values)}
    assert len(truth["parents"]) > 20
    for child in truth["parents"]:
        assert int(found["source_count"][at[int(child)]]) == len(slots_of(int(child), truth["parents"]))
    assert int(found["generation"].max()) == 2


def test_graph_walks_from_tokens_to_answers(planted, truth) -> None:
    graph = lineage_graph(planted, tokens=True)
    for question, holder in enumerate(truth["holder"]):
        ancestors = nx.ancestors(graph, ("question", question))
        slots = {("entry", slot) for slot in slots_of(holder, truth["parents"])}
        assert slots <= ancestors
        assert any(kind == "token" for kind, _ in ancestors)
        assert ("question", question) in nx.descendants(graph, ("entry", holder))
    for node in graph:
        shares = [data["share"] for _, _, data in graph.in_edges(node, data=True) if data["kind"] != "renewed"]
        assert not shares or sum(shares) == pytest.approx(1, abs=1e-5)


def test_ends_follow_merges(planted, truth) -> None:
    found = lineage(planted)
    born = planted.entries
    facts = {int(f): int(e) for f, e in zip(born["fact"].values, born["entry"].values, strict=True) if f >= 0}
    at = {int(entry): i for i, entry in enumerate(found["entry"].values)}
    ends = found["end"].values[found["end_code"].values]
    held = sorted(fact for fact, entry in facts.items() if ends[at[entry]] == "held")
    assert held == truth["held"]
    assert int(found["end_count"].sum()) == found.attrs["n"] == 240
    assert float(found["held_gap_p"]) <= 0.05
    assert float(found["held_gap_low"]) > 0


def test_reads_are_brought_back_to_slots(planted) -> None:
    found = lineage(planted)
    own, through = float(found["read_weight"].sum()), float(found["read_through"].sum())
    assert own == pytest.approx(through) == pytest.approx(found.attrs["answers"])
    fresh = found["generation"].values == 0
    assert (found["read_through"].values[~fresh] == 0).all()
    assert float(found["read_share"].sum()) == pytest.approx(1)


def test_attribution_is_the_planted_one(planted, truth) -> None:
    found = answer_sources(planted)
    np.testing.assert_allclose(found["on_fact"], truth["on_fact"], atol=1e-4)
    np.testing.assert_allclose(found["traced"], 1, atol=1e-6)
    assert float(found["mean_p"]) <= 0.05
    assert float(found["mean_on_fact_low"]) <= np.mean(truth["on_fact"]) <= float(found["mean_on_fact_high"])
    assert (np.diff(found["source_share"].values, axis=1) <= 0).all()


@SEEDS
def test_nothing_planted_is_found_at_the_stated_rate(seeds: int) -> None:
    recordings = [planted_lineage(None, prefers_facts=False, knows=False, n_segment=20, seed=s) for s in range(seeds)]
    assert_rate([float(lineage(each, shuffles=39)["held_gap_p"]) for each in recordings])
    assert_rate([float(answer_sources(each, shuffles=39)["mean_p"]) for each in recordings])


def test_a_renewed_entry_gave_its_place_and_not_its_content() -> None:
    entries = {
        "segment": np.repeat(np.arange(10), 2), "entry": np.arange(20), "slot": np.tile([0, 1], 10), "parent": np.full((20, 2), -1),
        "died": np.full(20, -1), "fate": np.full(20, -1),
    }  # fmt: skip
    entries["parent"][2, 0], entries["died"][0], entries["fate"][0] = 0, 1, 2
    recording = write_recording(None, entries=entries)
    found = lineage(recording)
    assert str(found["end"].values[int(found["end_code"][0])]) == "replaced"
    assert found["source_count"].values.tolist() == [1] * 20
    graph = lineage_graph(recording)
    assert graph.edges[("entry", 0), ("entry", 2)] == {"kind": "renewed", "share": 0.0}


def test_what_is_missing_is_named(planted) -> None:
    with pytest.raises(AnalysisError, match="0 slots were written, expected 20 or more"):
        lineage(write_recording(None, n_segment=4))
    with pytest.raises(AnalysisError, match="0 questions, expected 10 or more"):
        answer_sources(write_recording(None, n_segment=4))
    with pytest.raises(AnalysisError, match="sequence is 3; this recording has 0 to 0"):
        lineage_graph(planted, sequence=3)
    entries = {"segment": np.arange(20), "entry": np.arange(20), "slot": np.zeros(20, int)}
    questions = {"segment": np.arange(20), "read_entry": np.arange(20)[:, None], "fact": np.arange(20)}
    with pytest.raises(
        RecordingError, match=r"memlens record MODEL STREAM -o RUN --points default context.hook_pattern"
    ):
        answer_sources(write_recording(None, entries=entries, questions=questions))
