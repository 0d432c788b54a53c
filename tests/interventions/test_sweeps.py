"""A sweep says what runs of their own would say: each forced action in a whole run, by hand."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from memlens.dims import Action
from memlens.errors import ConfigError, InterventionError
from memlens.interventions import Force, Freeze, sweep
from memlens.model import MemoryModel
from memlens.model.run import Result
from memlens.recording import Recording, RecordOptions, record
from memlens.streams import EncodedStream

#: Batching and sharing change the order of sums: last bits, and nothing more.
TOLERANCE = 1e-4


def told(results: list[Result]) -> tuple[np.ndarray, np.ndarray]:
    """Loss and exactness of every answer."""
    answers = [r.outputs.answers for r in results if r.outputs.answers is not None]
    return (
        np.concatenate([a.loss[0].numpy() for a in answers]),
        np.concatenate([a.correct[0].numpy() for a in answers]).astype(float),
    )


@pytest.fixture(scope="module")
def targets(results: list[Result]) -> list[tuple[int, int, str]]:
    """Candidates and residents, every action, in segments near and far."""
    found = []
    for t in (1, 4):
        decided = results[t].outputs.decisions
        entries = decided.entry[0][decided.entry[0] >= 0].tolist()
        found += [(t, entry, Action((t + i) % 4).name) for i, entry in enumerate(entries[::4])]
        # what is done anyway: memory is the factual one at once
        found.append((t, entries[0], Action(int(decided.action[0, 0])).name))
    return found


@pytest.fixture(scope="module")
def by_hand(
    model: MemoryModel, stream: EncodedStream, results: list[Result], targets: list[tuple[int, int, str]]
) -> list[list[Result]]:
    """A run for each target; up to its segment it is the factual one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            results[:t]
            + list(
                model.run(
                    stream, state=results[t - 1].state, first=t, changes=[Force(segment=t, entry=entry, action=action)]
                )
            )
            for t, entry, action in targets
        ]


def test_each_effect_is_that_of_a_run_of_its_own(
    model: MemoryModel, stream: EncodedStream, recorded: Recording, results: list[Result],
    targets: list[tuple[int, int, str]], by_hand: list[list[Result]],
) -> None:  # fmt: skip
    loss, correct = told(results)
    found = sweep(model, recorded, targets)
    np.testing.assert_allclose(found["loss"].values, loss, atol=TOLERANCE)
    for i, (t, entry, _) in enumerate(targets):
        own_loss, own_correct = told(by_hand[i])
        later = np.isfinite(found["loss_change"].values[i])
        np.testing.assert_allclose(found["loss_change"].values[i][later], (own_loss - loss)[later], atol=TOLERANCE)
        np.testing.assert_array_equal(found["correct_change"].values[i][later], (own_correct - correct)[later])
        assert (own_loss[~later] == loss[~later]).all()
        for name, run in (("executed", by_hand[i]), ("factual", results)):
            decided = run[t].outputs.decisions
            assert found[name].values[i] == Action(int(decided.action[0][decided.entry[0] == entry][0])).name
        stopped = int(found["stopped"][i])
        if stopped >= 0:
            held = [sorted(run[stopped].state.store.entry[0].tolist()) for run in (results, by_hand[i])]
            assert held[0] == held[1]
    assert (np.abs(found["loss_change"].values) > TOLERANCE).any()
    assert (found["stopped"].values >= 0).any() and (found["stopped"].values < 0).any()
    from_start = sweep(model, stream, targets)
    np.testing.assert_allclose(found["loss_change"].values, from_start["loss_change"].values, atol=TOLERANCE)


def test_some_questions(model: MemoryModel, stream: EncodedStream, targets: list[tuple[int, int, str]]) -> None:
    whole, some = sweep(model, stream, targets[:3]), sweep(model, stream, targets[:3], questions=[4, 2])
    assert list(some["question"].values) == [4, 2]
    np.testing.assert_allclose(some["loss_change"].values, whole["loss_change"].values[:, [4, 2]], atol=TOLERANCE)
    assert list(some["distance"].values) == [stream.questions[i].distance for i in (4, 2)]


def test_a_candidate_by_its_slot(model: MemoryModel, stream: EncodedStream, results: list[Result]) -> None:
    entry = int(results[3].outputs.decisions.entry[0, 2])
    found = sweep(model, stream, [Force(segment=3, slot=2, action="DISCARD"), (3, entry, "DISCARD")])
    np.testing.assert_allclose(found["loss_change"].values[0], found["loss_change"].values[1], atol=1e-6)


def test_what_cannot_be_swept(model: MemoryModel, stream: EncodedStream, tmp_path: Path) -> None:
    wrong = {
        "targets are empty": [],
        "entry 999 is not there": [(2, 999, "STORE")],
        "segments 0 to 8": [(9, 1, "STORE")],
        "not in one segment": [Force(segment=[1, 2], slot=1, action="STORE")],
        r"got \(2, 5\), expected \[segment, entry, action\]": [(2, 5)],
        "got 7, expected": [7],
    }
    for message, targets in wrong.items():
        with pytest.raises(InterventionError, match=message):
            sweep(model, stream, targets)
    with pytest.raises(InterventionError, match=r"questions are \[6\], expected numbers from 0 to 5"):
        sweep(model, stream, [(2, 22, "STORE")], questions=[6])
    with pytest.raises(ConfigError, match="'action' is 'STOR', expected an action; closest: STORE"):
        sweep(model, stream, [(2, 22, "STOR")])
    with pytest.raises(InterventionError, match=r"got 'runs/a', expected a Recording \(of memlens.open\)"):
        sweep(model, "runs/a", [(2, 22, "STORE")])  # pyright: ignore[reportArgumentType]
    made = record(model, stream, tmp_path / "run", RecordOptions(interventions=[Freeze(memory="working", segment=2)]))
    with pytest.raises(InterventionError, match="was made with interventions"):
        sweep(model, made, [(2, 22, "STORE")])


def test_answers_before_the_sweep_are_those_that_were_given(
    model: MemoryModel, stream: EncodedStream, recorded: Recording, results: list[Result],
    targets: list[tuple[int, int, str]],
) -> None:  # fmt: skip
    """The sweep begins at a saved state; what was asked before it is known from the recording."""
    loss, correct = told(results)
    late = [target for target in targets if target[0] == 4]
    found = sweep(model, recorded, late)
    np.testing.assert_array_equal(found["correct"].values, correct)
    np.testing.assert_allclose(found["loss"].values, loss, atol=TOLERANCE)
    before = found["position"].values < 3 * model.cfg.segment_length
    assert before.any()
    assert np.isnan(found["loss_change"].values[:, before]).all()
