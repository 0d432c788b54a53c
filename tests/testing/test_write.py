"""Whatever is given is in the recording; what is not, is filled in; on disk and in memory alike."""

import json

import numpy as np
import pytest
import xarray as xr

from memlens.catalogue import run
from memlens.config import ModelConfig
from memlens.errors import RecordingError
from memlens.model.points import points
from memlens.testing import write_recording
from memlens.testing.layout import AXES

R = np.random.default_rng(0)
SLOTS = {"context.hook_slot": R.normal(size=(2, 12, 6, 8))}
LIVES = {"segment": [3, 3, 5], "entry": [7, 8, 9], "died": [6, -1, -1], "level": [0, 0, 1]}


def planted(path, **more):
    """Something of everything."""
    given = {
        "points": SLOTS, "entries": LIVES, "n_segment": 12, "truth": {"k": 1},
        "decisions": {"segment": [4, 3], "q": [[0, 1, 2, 3], [5, 1, 2, 3]]},
        "questions": {"segment": [2, 2, 1], "distance": [5, 6, 7], "correct": [True, False, True]},
    }  # fmt: skip
    return write_recording(path, **(given | more))


def test_known_axes_are_those_of_the_model():
    model = {p.name: p.dims for p in points(ModelConfig())}
    assert {name: model[name] for name in AXES} == AXES


def test_what_is_given_is_there(tmp_path):
    recording = planted(tmp_path / "run")
    np.testing.assert_allclose(recording["context.hook_slot"], SLOTS["context.hook_slot"], rtol=1e-6)
    assert json.loads(recording.attrs["truth"]) == {"k": 1}
    assert recording.entries["died"].values.tolist() == [6, -1, -1]
    assert recording.entries["fate"].values.tolist() == [3, -1, -1]
    assert recording.segments["occupancy"].values[0, :, 0].tolist() == [0] * 3 + [2] * 3 + [1] * 6
    assert recording.segments["occupancy"].values[0, :, 1].tolist() == [0] * 5 + [1] * 7
    assert set(recording.segments["entry_id"].values[0, 5]) == {-1, 7, 8, 9}
    # rows stand in the order of time
    assert recording.decisions["wanted"].values.tolist() == [0, 3]
    assert recording.questions["distance"].values.tolist() == [7, 5, 6]
    assert recording.attrs["complete"]


def test_in_memory_is_what_opening_gives(tmp_path):
    disk, memory = planted(tmp_path / "run"), planted(None)
    for name in ("segments", "positions", "questions", "decisions", "entries"):
        xr.testing.assert_identical(getattr(disk, name).load(), getattr(memory, name))
    own = {"id", "created", "wall_seconds", "peak_rss_bytes", "fp16_overflow"}
    assert {k: v for k, v in disk.attrs.items() if k not in own} == {
        k: v for k, v in memory.attrs.items() if k not in own
    }


def test_slots_alone_are_enough_for_the_analyses_of_slots():
    recording = write_recording(None, points=SLOTS)
    assert run("clusters", recording, draws=1, shuffles=1).attrs["n"] == 2 * 12 * 6
    assert run("slot_history", recording, sequence=1, segment=3, slot=2).attrs["entry"] == 3 * 6 + 2


def test_a_later_start():
    recording = write_recording(None, points=SLOTS, first=100)
    assert recording.segments["segment"].values[0] == 100
    assert recording.entries["segment"].values[0] == 100
    assert run("slot_map", recording)["segment"].values.min() == 100


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"points": {"context.hook_slt": np.zeros((1, 2, 3, 4))}}, "closest: context.hook_slot"),
        ({"points": {"context.hook_slot": np.zeros((1, 2, 3))}}, "expected .sequence, segment, slot, feature"),
        ({"n_segment": 3}, "the arrays have 12"),
        ({"entries": {"segment": [20], "entry": [1]}}, "up to segment 20"),
        ({"entries": {"segment": [2], "entry": [1], "died": [40]}}, "expected 0 to 11"),
        ({"entries": {"segment": [1]}}, r"lack the columns \['entry'\]"),
        ({"entries": {"segment": [1], "entry": [1], "levels": [2]}}, "closest: level"),
        ({"questions": {"segment": [1, 2], "loss": [1.0]}}, "different lengths"),
        ({"capacities": (1, 1, 1)}, "entry 8 of sequence 0 has no place in level 0"),
        ({"positions": {"token": np.zeros((1, 100))}}, "positions have shapes"),
    ],
)
def test_what_does_not_fit_is_refused(given, told):
    with pytest.raises(RecordingError, match=told):
        planted(None, **given)
