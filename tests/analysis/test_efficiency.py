import numpy as np
import pytest

from memlens.analysis import efficiency
from memlens.analysis.support import costs
from memlens.config import ModelConfig
from memlens.dims import Modality
from memlens.errors import AnalysisError
from memlens.testing import write_recording
from memlens.testing.efficiency import planted_times

NANO = ModelConfig()
SIZES = {"model_config": NANO.model_dump(mode="json"), "policy": "learned"}


def test_a_run_costs_its_segments_and_what_they_encode():
    found = efficiency(planted_times(None, n_segment=40), shuffles=19)
    each = costs.segment_flops(NANO)
    sound = costs.segment_flops(NANO, {Modality.AUDIO: 1000})["encoders"]
    wanted = [sound if part == "encoders" else 40 * each[part] for part in found["part"].values]
    assert found["flops"].values.tolist() == wanted
    assert found["flops_so_far"].sel(reader="memory").values[-1] == sum(wanted)
    steady = np.diff(found["flops_so_far"].sel(reader="memory").values[12:])
    assert np.ptp(steady) == 0, "memory's cost is the same in every segment"
    assert (np.diff(found["flops_so_far"].sel(reader="attention").values, n=2)[12:] > 0).all(), "attention's grows"
    read = found["held_bytes_so_far"]
    assert read.sel(reader="memory").values.tolist() == [costs.read_bytes(NANO)] * 40
    np.testing.assert_allclose(read.sel(reader="attention") / read.sel(reader="attention")[0], np.arange(1, 41))
    assert float(found["seconds_by_flops"].sum()) == pytest.approx(float(found["seconds"].sel(step="all")))


def test_questions_recalls_and_policies_cost_what_they_do():
    n = 24
    entries = {"segment": [0, 0], "entry": [0, 1], "level": [0, 2], "died": [-1, 9]}
    asked = {
        "segment": [5, 5, 7],
        "read_entry": [[1, 0], [0, -1], [-1, -1]],
        "read_weight": [[0.5, 0.5], [1, 0], [0, 0]],
    }
    # entry 0 comes back in segment 8; entry 1 is absorbed in segment 9
    acts = {"segment": [8, 9, 10], "entry": [0, 1, 0], "kind": [1, 1, 1], "executed": [2, 2, 0]}
    options = {"n_segment": n, "points": {}, "entries": entries, "capacities": NANO.capacities}
    quiet, asking = (
        efficiency(write_recording(None, attrs=SIZES, **options, **more), shuffles=19)
        for more in ({}, {"questions": asked, "decisions": acts})
    )
    more = asking["flops"] - quiet["flops"]
    first, second, third = (costs.question_flops(NANO, 16, 4, reads) for reads in (4 + 1, 1, 1))
    match = costs.match_flops(NANO)
    recall = costs.segment_flops(NANO, recalls=True)["store"] - costs.segment_flops(NANO)["store"]
    wanted = {
        "store": recall + 2 * match["store"],
        **{part: first[part] + second[part] + third[part] for part in ("question", "decoder")},
        "retrieval": first["retrieval"] + second["retrieval"] + third["retrieval"] + 2 * match["retrieval"],
    }
    assert {str(part): int(more.sel(part=part)) for part in more["part"].values} == dict.fromkeys(
        costs.PARTS, 0
    ) | wanted
    assert asking["seconds_n"].values.tolist() == [n, n - 2, 2]
    fifo = efficiency(write_recording(None, attrs={**SIZES, "policy": "fifo"}, **options), shuffles=19)
    assert float(fifo["flops"].sel(part="controller")) < float(quiet["flops"].sel(part="controller"))


def test_a_replay_that_starts_late_reads_what_came_before():
    early, late = (
        efficiency(write_recording(None, n_segment=8, first=first, positions=_text(8), attrs=SIZES), shuffles=19)
        for first in (0, 50)
    )
    assert float(early["total_flops"].sel(reader="memory")) == float(late["total_flops"].sel(reader="memory"))
    assert float(early["total_flops"].sel(reader="attention")) < float(late["total_flops"].sel(reader="attention"))
    assert late["segment"].values[0] == 50


def _text(n_segment: int) -> dict:
    return {"modality": np.zeros((1, n_segment * NANO.segment_length), int)}


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(AnalysisError, match="model_config lacks vocab_size, d_model"):
        efficiency(write_recording(None, n_segment=4))
    with pytest.raises(AnalysisError, match="layers 0"):
        efficiency(planted_times(None, n_segment=4), layers=0)
    with pytest.raises(AnalysisError, match="give another layers"):
        efficiency(planted_times(None, n_segment=4), layers=400)
