"""Exports are read by xarray and pandas alone, and hold what the recording holds."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from memlens.cli import main
from memlens.errors import RecordingError
from memlens.recording import RecordOptions, open, record
from memlens.recording.reading.frames import FRAMES
from memlens.testing import planted_recording


@pytest.fixture(scope="module")
def recorded(small_model, small_streams, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "run"
    return record(small_model, small_streams, path, RecordOptions(commit_every=8))


def test_zarr(recorded, tmp_path):
    recorded.to_zarr(tmp_path / "plain")
    tree = xr.open_datatree(tmp_path / "plain", engine="zarr")
    assert tree.attrs == recorded.attrs
    for name in ("segments", "positions", "payloads", "questions", "decisions", "entries"):
        written, kept = tree[name].to_dataset().load(), getattr(recorded, name).load()
        assert set(written.variables) == set(kept.variables)
        for variable in kept.variables:
            assert written[variable].equals(kept[variable]), variable
            assert written[variable].attrs == kept[variable].attrs
            assert written[variable].dtype == kept[variable].dtype or kept[variable].dtype == object


def test_parquet(recorded, tmp_path):
    recorded.to_parquet(tmp_path / "tables")
    assert {file.name for file in (tmp_path / "tables").iterdir()} == {f"{name}.parquet" for name in FRAMES}
    for name in FRAMES:
        frame = pd.read_parquet(tmp_path / "tables" / f"{name}.parquet")
        pd.testing.assert_frame_equal(frame, recorded.to_dataframe(name))
        assert frame.attrs["id"] == recorded.id
        assert set(frame.attrs["columns"]) <= {c.split("_0")[0] for c in frame.columns} | {"q", "control", "parent"} | {
            "read_entry", "read_weight", "read_kind",
        }  # fmt: skip


def test_lineage_is_the_parents_of_entries(tmp_path):
    planted = planted_recording(tmp_path / "run", n_segment=20, n_sequence=2, commit_every=8)
    edges, entries = planted.to_dataframe("lineage"), planted.to_dataframe("entries")
    assert len(edges) == (entries[["parent_0", "parent_1"]] >= 0).sum().sum() > 0
    level = entries.set_index(["sequence", "entry"])["level"]
    for side in (0, 1):
        own = edges[edges["side"] == side]
        parents = entries.set_index(["sequence", "entry"])[f"parent_{side}"]
        np.testing.assert_array_equal(parents.loc[list(zip(own["sequence"], own["child"], strict=True))], own["parent"])
    for end in ("child", "parent"):
        keys = list(zip(edges["sequence"], edges[end], strict=True))
        np.testing.assert_array_equal(level.loc[keys], edges[f"{end}_level"])


def test_positions_without_padding(recorded):
    frame = recorded.to_dataframe("positions")
    assert len(frame) == recorded.attrs["n_token"]
    row = frame[(frame["sequence"] == 1) & (frame["position"] == 70)]
    assert int(row["token"].iloc[0]) == int(recorded.positions["token"].values[1, 70])


def test_an_existing_target_is_kept(recorded, tmp_path):
    (tmp_path / "here").mkdir()
    for write in (recorded.to_zarr, recorded.to_parquet):
        with pytest.raises(RecordingError, match="exists"):
            write(tmp_path / "here")
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_command(recorded, tmp_path, capsys):
    assert main(["export", str(recorded.path), "-o", str(tmp_path / "a"), "--to", "zarr"]) == 0
    assert main(["export", str(recorded.path), "-o", str(tmp_path / "b"), "--to", "parquet"]) == 0
    assert main(["export", str(recorded.path), "-o", str(tmp_path / "b"), "--to", "parquet"]) == 2
    assert "exists" in capsys.readouterr().err
    assert xr.open_datatree(tmp_path / "a", engine="zarr")["segments"].sizes == dict(open(recorded.path).segments.sizes)
