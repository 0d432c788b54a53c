import json

import numpy as np
import pytest

from memlens.analysis import attention
from memlens.errors import AnalysisError, RecordingError
from memlens.testing import write_recording
from memlens.testing.dynamics import planted_attention

from .chance import SEEDS, assert_rate


def test_planted_heads_and_flow_are_found() -> None:
    recording = planted_attention(None, specialised=0.7, matched=0.6, n_segment=120)
    truth = json.loads(recording.attrs["truth"])
    found = attention(recording)
    np.testing.assert_allclose(found["span"], truth["span"], atol=0.15)
    assert (found["entropy"] < found["entropy_null"]).all()
    assert (found["entropy_low"] < found["entropy"]).all() and (found["entropy"] < found["entropy_high"]).all()
    assert float(found["specialisation_p"]) <= 0.05
    assert float(found["matched_low"]) <= truth["matched"] <= float(found["matched_high"])
    assert float(found["matched_p"]) <= 0.05
    np.testing.assert_allclose(found["flow"].sum("modality"), 1)


def test_heads_by_hand() -> None:
    """Four heads on two windows each: 1 bit each, 3 bits together, so the head tells 2 bits."""
    found = attention(planted_attention(None, specialised=1.0))
    np.testing.assert_allclose(found["entropy"], 1, atol=1e-5)
    np.testing.assert_allclose(found["entropy_null"], 3, atol=1e-5)
    assert float(found["specialisation"]) == pytest.approx(2, abs=1e-5)
    assert float(found["read_entropy"]) == pytest.approx(-(0.6 * np.log2(0.6) + 0.4 * np.log2(0.4)), abs=1e-5)
    assert float(found["read_entropy_null"]) == pytest.approx(1)


@SEEDS
def test_nothing_planted_is_found_at_the_stated_rate(seeds: int) -> None:
    found = [
        attention(planted_attention(None, specialised=0, matched=0, n_segment=20, seed=seed), shuffles=99)
        for seed in range(seeds)
    ]
    assert_rate([float(each["specialisation_p"]) for each in found])
    assert_rate([float(each["matched_p"]) for each in found])
    inside = [
        (each["write_low"] <= each["position_share"]) & (each["position_share"] <= each["write_high"]) for each in found
    ]
    assert np.mean(inside) > 0.9


def test_without_questions_reads_are_nan_and_writes_are_there() -> None:
    recording = planted_attention(None)
    points = {name: recording[name].values for name in ("context.hook_position", "context.hook_pattern")}
    entries = {name: recording.entries[name].values for name in ("segment", "entry", "slot", "position")}
    found = attention(write_recording(None, points=points, entries=entries, capacities=(200,)))
    assert np.isnan(found["matched"]) and np.isnan(found["read_span"])
    assert np.isfinite(found["entropy"]).all()


def test_what_is_missing_is_named() -> None:
    entries = {"segment": np.arange(30), "entry": np.arange(30), "slot": np.zeros(30, int)}
    with pytest.raises(
        RecordingError, match=r"memlens record MODEL STREAM -o RUN --points default context.hook_pattern"
    ):
        attention(write_recording(None, entries=entries, capacities=(30,)))
    with pytest.raises(AnalysisError, match="slots were written, expected 20 or more"):
        attention(planted_attention(None, n_segment=4))
