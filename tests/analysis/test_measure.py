"""Analyses take recordings, and nothing else."""

import json
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from memlens.analysis import alignment, decisions, regret, retention, similarity
from memlens.analysis.support.measure import measure
from memlens.errors import RecordingError


@pytest.mark.parametrize("wrong", ["run", Path("run"), 3, None])
def test_what_is_no_recording_is_refused(wrong, recording) -> None:
    with pytest.raises(RecordingError, match=r"recording: got a .*, expected a recording: memlens\.open"):
        retention(wrong)
    if wrong is not None:
        with pytest.raises(RecordingError, match="other: got"):
            similarity(recording, other=wrong)
    with pytest.raises(RecordingError, match="other: got"):
        alignment(recording, other="run")
    with pytest.raises(RecordingError, match="others: got"):
        regret(recording, others=[wrong])


def test_a_result_says_what_it_was_made_from(recording) -> None:
    found = decisions(recording, max_bins=7)
    assert found.attrs["analysis"] == "decisions"
    assert json.loads(found.attrs["params"]) == {"max_bins": 7}
    assert found.attrs["n"] == recording.n_rows("decisions")
    assert found.attrs["segments_per_bin"] > 1
    assert list(signature(decisions).parameters) == ["recording", "max_bins"]


def test_parameters_are_plain_in_a_result(recording) -> None:
    @measure
    def nothing(recording, *, target, other, table, edges=(1, 2)):
        """Nothing."""
        return xr.Dataset(attrs={"n": 0})

    found = nothing(recording, target=xr.DataArray([1], dims="segment"), other=recording, table=xr.Dataset())
    assert json.loads(found.attrs["params"]) == {"target": "target", "other": recording.id, "edges": [1, 2]}


def test_one_import_is_enough_and_brings_no_torch() -> None:
    code = "import memlens, sys; memlens.analysis.retention; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_analysis_computes_on_one_thread_unless_more_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside, every pool is as wide as was asked for, also inside of another analysis; afterwards it is as wide as before."""
    import sklearn.utils  # noqa: F401
    from threadpoolctl import threadpool_info, threadpool_limits

    from memlens.testing import write_recording

    seen: list[set[int]] = []

    @measure
    def inner(recording: Any) -> xr.Dataset:
        seen.append({pool["num_threads"] for pool in threadpool_info()})
        return xr.Dataset(attrs={"n": 1})

    @measure
    def outer(recording: Any) -> xr.Dataset:
        inner(recording)
        return xr.Dataset(attrs={"n": 1})

    recording = write_recording(None, n_segment=2)
    with threadpool_limits(2):
        before = threadpool_info()
        for threads in (None, "1", "2"):
            monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
            if threads:
                monkeypatch.setenv("OMP_NUM_THREADS", threads)
            outer(recording)
        assert threadpool_info() == before
    assert seen == [{1}, {1}, {2}]
