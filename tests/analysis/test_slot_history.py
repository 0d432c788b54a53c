import numpy as np
import pytest

from memlens.analysis import slot_history
from memlens.errors import AnalysisError


@pytest.mark.parametrize("first", [0, 30])
def test_a_slot_is_followed_through_its_merge(plant, first):
    recording = plant(first=first)
    found = slot_history(recording, sequence=0, segment=first, slot=0)
    assert found.attrs["entry"] == 0
    assert found["descendant_entry"].values.tolist() == [0, 100_000]
    assert found["depth"].values.tolist() == [0, 1]
    assert found["question_index"].values.tolist() == [0, 1]
    assert found["weight"].values.tolist() == [0.75, 0.25]
    assert found["question_entry"].values.tolist() == [100_000, 0]
    assert set(found["decision_entry"].values) <= {0, 100_000}


def test_window_is_read_back_from_the_picked_position(recording):
    found = slot_history(recording, sequence=0, segment=3, slot=2)
    picked = 3 * 64 + int(recording["context.hook_position"].values[0, 3, 2])
    assert found["window_position"].values.tolist() == list(range(picked, picked - 8, -1))
    assert float(found["write"].sum()) == pytest.approx(1, abs=1e-2)


def test_needle_is_named(plant):
    recording = plant(modalities=1)
    found = slot_history(recording, sequence=0, segment=5, slot=0)
    assert str(found["token"].values[0]) == " needle"


def test_a_slot_that_never_became_an_entry(plant):
    recording = plant()
    recording.entries = recording.entries.isel(birth=np.arange(1, recording.entries.sizes["birth"]))
    found = slot_history(recording, sequence=0, segment=0, slot=0)
    assert found.attrs["entry"] == -1
    assert found.sizes["decision"] == found.sizes["question"] == 0


def test_outside_the_recording(recording):
    with pytest.raises(AnalysisError, match="slot is 99; this recording has 0 to 15"):
        slot_history(recording, sequence=0, segment=0, slot=99)
