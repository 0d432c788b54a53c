import numpy as np
import pytest

from memlens.causes import effects
from memlens.errors import AnalysisError, RecordingError
from memlens.interventions import Drop
from memlens.recording import replay
from memlens.testing import planted_recording, write_recording


def test_answers_are_lost_without_their_entry_and_nothing_else(stored):
    recording, model = stored
    found = effects(recording, model, questions=40)
    right = found["correct"].values
    own = np.isin(found["cause"].values, ["read most of level 0", "all of level 0", "forced DISCARD"])
    change = found["correct_change"].values[right]
    assert right.sum() >= 10 and np.nanmax(change[:, own]) == -1
    assert np.nanmax(np.abs(found["effect"].values[right][:, ~own])) == 0
    assert np.nanmax(np.abs(found["null_effect"].values[right])) == 0
    assert float(found["p_adjusted"].sel(cause="read most of level 0")) <= 0.05


def test_emptying_a_place_is_dropping_its_entry(stored):
    recording, model = stored
    found = effects(recording, model, what="entry", questions=40)
    asked = recording.questions
    for at in np.flatnonzero(found["correct"].values)[:3]:
        row, segment = int(found["row"][at]), int(found["segment"][at])
        entry = int(asked["read_entry"].values[row, asked["read_weight"].values[row].argmax()])
        first = next(replay(recording, model, segment, interventions=[Drop(segment=segment, entry=entry)]))
        column = row - int(np.flatnonzero(asked["segment"].values == segment)[0])
        loss = float(first.outputs.answers.loss[0, column]) - float(asked["loss"].values[row])
        assert float(found["effect"].sel(cause="read most of level 0")[at]) == pytest.approx(loss, abs=1e-4)


def test_slots_that_hold_the_same_are_missed_together_only(worked):
    recording, model = worked
    found = effects(recording, model, questions=14)
    assert (found["correct_change"].sel(cause="all of working memory") == -1).all()
    assert float(np.abs(found["effect"].values[:, found["kind"].values == "slot"]).max()) == 0


def test_what_was_decided_earlier_can_be_forced(stored):
    recording, model = stored
    found = effects(recording, model, what="action", lag=2, questions=20)
    gone = found["correct_change"].sel(cause="forced DISCARD").values
    known = np.isfinite(gone) & found["correct"].values
    assert known.any() and (gone[known] == -1).all()
    assert np.isnan(found["effect"].sel(cause="forced STORE").values).all()  # it was stored anyway


def test_the_seed_draws_the_questions(stored):
    recording, model = stored
    one, same, other = (effects(recording, model, what="entry", questions=10, seed=seed) for seed in (1, 1, 2))
    assert one.identical(same)
    assert one["row"].values.tolist() != other["row"].values.tolist()


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"what": "entries"}, "closest: entry"),
        ({"lag": 0}, "lag is 0"),
        ({"questions": 3}, "give 10 or more"),
        ({"sequence": 2}, "this recording has 0 to 0"),
    ],
)
def test_bad_parameters_are_refused(stored, params, told):
    recording, model = stored
    with pytest.raises(AnalysisError, match=told):
        effects(recording, model, **params)


def test_what_cannot_be_run_again_is_refused(stored, worked, tmp_path):
    recording, model = stored
    with pytest.raises(RecordingError, match="give that model"):
        effects(recording, worked[1])
    with pytest.raises(RecordingError, match="recording: got a str 'r1', expected a recording"):
        effects("r1", model)  # pyright: ignore[reportArgumentType]
    with pytest.raises(AnalysisError, match="expected the MemoryModel"):
        effects(recording, "nano")  # pyright: ignore[reportArgumentType]
    memory = write_recording(None, questions={"segment": [0]})
    with pytest.raises(RecordingError, match="give that model"):
        effects(memory, model)
    planted_recording(tmp_path / "planted", n_segment=8)
    from memlens import recording as recordings

    with pytest.raises(RecordingError, match="give that model"):
        effects(recordings.open(tmp_path / "planted"), model)


def test_without_states_the_option_is_named(tmp_path):
    from memlens.recording import RecordOptions, record
    from memlens.testing.models import forgetting

    built = forgetting(n_segment=4)
    bare = record(built.model, built.stream, tmp_path / "bare", RecordOptions(states_every=0))
    with pytest.raises(RecordingError, match="--states-every"):
        effects(bare, built.model)
