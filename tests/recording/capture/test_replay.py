"""Going back to a moment of a recording: bit for bit the same, whatever segment is gone back to."""

import numpy as np
import pytest
import torch

from memlens.errors import RecordingError
from memlens.interventions import Ablate, Drop, Force, Insert, interventions_of
from memlens.model import MemoryModel, run
from memlens.recording import RecordOptions, record, replay
from memlens.streams import Stream, default_tokenizer

from ...model.conftest import SMALL, make_model

#: One of every group that a step fires, and all that an intervention looks at.
POINTS = ("default", "blocks.1.hook_state", "importance.hook_summary", "compressor.*", "store", "lm_head.hook_read")


@pytest.fixture(scope="module")
def model() -> MemoryModel:
    return make_model(SMALL)


@pytest.fixture(scope="module")
def streams():
    """Nine segments, and seven beside them; questions at the end of most."""
    made = []
    for name, n in (("mill", 6), ("tower", 4)):
        stream = Stream(name)
        for i in range(n):
            stream.text(f"The access code of {name} {i // 2} is {472 + 7 * i}.", fact=i // 2).dna("ACGT" * 6)
            stream.text(" It rained for three days, and then it rained again." * 3)
            stream.question(f"What is the access code of {name} {i // 2}?", str(472 + 7 * i), fact=i // 2)
        made.append(stream.encode(default_tokenizer()))
    return made


@pytest.fixture(scope="module")
def recorded(model, streams, tmp_path_factory):
    return record(
        model,
        streams,
        tmp_path_factory.mktemp("replay") / "run",
        RecordOptions(states_every=4, dtype="float32", points=POINTS),
    )


@pytest.mark.parametrize("t", [0, 3, 4, 8])
def test_a_replay_is_the_run_again(model, streams, recorded, t, tmp_path):
    results = list(replay(recorded, model, t))
    expected = list(run(model, streams))[t:]
    assert [r.segment for r in results] == [r.segment for r in expected]
    for a, b in zip(results, expected, strict=True):
        for one, other in ((a.state.flat(), b.state.flat()), (a.outputs.flat(), b.outputs.flat())):
            assert all(torch.equal(torch.nan_to_num(one[k]), torch.nan_to_num(other[k])) for k in other)


@pytest.mark.parametrize("t", [0, 5])
def test_a_child_is_its_parent_from_there_on(model, recorded, t, tmp_path):
    child = replay(recorded, model, t, tmp_path / "child")
    assert child.attrs["parent"] == recorded.id
    assert list(child.segments["segment"].values) == list(range(t, recorded.segments.sizes["segment"]))
    for name, array in child.segments.data_vars.items():
        if name != "step_seconds":
            np.testing.assert_array_equal(array.values, recorded[name].sel(segment=child.segments["segment"]).values)
    for table in ("questions", "decisions"):
        rows = getattr(recorded, table)
        axis = next(iter(rows.sizes))
        own, whole = getattr(child, table), rows.isel({axis: rows["segment"].values >= t})
        for name, column in whole.data_vars.items():
            np.testing.assert_array_equal(own[name].values, column.values)
    # what was born before is known from the parent; what died before is not there
    born = {
        tuple(row) for row in np.stack([recorded.entries[n].values for n in ("sequence", "entry", "fact", "died")], 1)
    }
    own = {tuple(row) for row in np.stack([child.entries[n].values for n in ("sequence", "entry", "fact", "died")], 1)}
    assert own <= born
    assert {row for row in born if row[3] >= t or row[3] < 0} <= own


def test_what_is_dropped_dies_and_what_is_put_in_is_born(model, recorded, tmp_path):
    held = recorded.segments["entry_id"].sel(segment=6).values[0]
    entry = int(held[held >= 0][0])
    changes = [Drop(segment=7, entry=entry), Insert(segment=9, entry=entry, source=recorded, instead_of=None)]
    dropped = replay(recorded, model, 7, tmp_path / "dropped", interventions=changes[:1])
    rows = dropped.entries
    row = rows.isel(birth=(rows["entry"].values == entry) & (rows["sequence"].values == 0))
    assert int(row["died"][0]) == 7
    assert entry not in dropped.segments["entry_id"].values[0]
    assert interventions_of(dropped) == changes[:1]
    assert f"parent     {recorded.id}, from segment 7, drop" in repr(dropped)
    room = dropped.segments["entry_id"].sel(segment=8).values[0]
    at_level = recorded.segments["entry_level"].values == int(row["level"][0])
    instead = int(room[at_level][0]) if (room[at_level] >= 0).all() else None
    again = Insert(segment=9, entry=entry, source=recorded, instead_of=instead)
    back = dropped.path.parent / "back"
    inserted = replay(recorded, model, 7, back, interventions=[changes[0], again])
    rows = inserted.entries
    assert ((rows["entry"].values == entry) & (rows["sequence"].values == 0)).sum() == 2
    decided = inserted.decisions
    assert entry in decided["entry"].values[(decided["segment"].values == 9) & (decided["sequence"].values == 0)]


def test_a_replay_of_an_intervention_goes_on_with_it(model, streams, recorded, tmp_path):
    held = Ablate(point="context.hook_slot", slot=1)
    made = record(
        model, streams, tmp_path / "made", RecordOptions(interventions=[held], parent=recorded, states_every=4)
    )
    with pytest.raises(RecordingError, match=r"interventions_of\(recording\)"):
        replay(made, model, 6)
    expected = list(run(model, streams, changes=[held]))
    for a, b in zip(replay(made, model, 6, interventions=interventions_of(made)), expected[6:], strict=True):
        assert torch.equal(a.state.store.content, b.state.store.content)
    assert (made["context.hook_slot"].values[:, :, 1] == 0).all()


def test_another_model_is_named(recorded, tmp_path):
    other = make_model(SMALL)
    other.sha256 = "0" * 64
    with pytest.raises(RecordingError, match=r"weights of no file .here sha256 000000000000"):
        replay(recorded, other, 3)
    other = make_model(SMALL)
    other.controller.policy = "fifo"
    with pytest.raises(RecordingError, match=r"policy learned .here fifo"):
        replay(recorded, other, 3)
    with pytest.raises(RecordingError, match=r"no segment 99; it has segments 0 to [0-9]+"):
        replay(recorded, make_model(SMALL), 99)


def test_a_child_says_where_its_stream_is(model, recorded, tmp_path):
    child = replay(recorded, model, 5, tmp_path / "child")
    with pytest.raises(RecordingError, match="from segment 5 on; its parent"):
        child.streams()


def test_a_forced_action_is_in_the_recording(model, recorded, tmp_path):
    force = Force(segment=6, slot=2, action="discard", sequence=0)
    child = replay(recorded, model, 6, tmp_path / "child", interventions=[force])
    rows = child.decisions
    at = (rows["segment"].values == 6) & (rows["agent"].values == 2)
    assert list(rows["executed"].values[at & (rows["sequence"].values == 0)]) == [3]
    before = recorded.decisions
    same = (before["segment"].values == 6) & (before["agent"].values == 2) & (before["sequence"].values == 1)
    assert list(rows["executed"].values[at & (rows["sequence"].values == 1)]) == list(before["executed"].values[same])
