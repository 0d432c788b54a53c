"""What is done to the controller and to the store: forced, forbidden, frozen, dropped, inserted."""

import warnings

import pytest
import torch

from memlens.dims import Action
from memlens.errors import InterventionError, InterventionWarning, MemlensError
from memlens.interventions import Drop, Forbid, Force, Freeze, Insert
from memlens.interventions.base import Intervention
from memlens.model import MemoryModel
from memlens.model.entries import Entries
from memlens.model.run import Result
from memlens.recording import Recording
from memlens.streams import EncodedStream


def until(model: MemoryModel, stream: EncodedStream, n: int, *changes: Intervention) -> list[Result]:
    """The first ``n`` segments of a run."""
    found = []
    for result in model.run(stream, changes=changes):
        found.append(result)
        if len(found) == n:
            break
    return found


def ids(result: Result) -> torch.Tensor:
    return result.outputs.decisions.entry[0]


def executed(result: Result, entry: int) -> Action:
    return Action(int(result.outputs.decisions.action[0][ids(result) == entry][0]))


def same(a: Entries, b: Entries) -> bool:
    return all(torch.equal(x, b.flat()[name]) for name, x in a.flat().items())


def test_force_a_candidate_and_a_resident(model: MemoryModel, stream: EncodedStream, results: list[Result]) -> None:
    candidate, resident = int(ids(results[3])[1]), int(results[2].state.store.entry[0, 1])
    for change in (Force(segment=3, slot=1, action="DISCARD"), Force(segment=3, entry=candidate, action="discard")):
        found = until(model, stream, 5, change)
        assert executed(found[3], candidate) is Action.DISCARD
        assert candidate not in found[3].state.store.entry
        # as it was before, and what else is wanted stays what it was
        assert same(found[2].state.store, results[2].state.store)
        before, after = (r[3].outputs.decisions.wanted[0] for r in (results, found))
        assert torch.equal(before[torch.arange(len(before)) != 1], after[torch.arange(len(after)) != 1])
    found = until(model, stream, 4, Force(segment=3, entry=resident, action="DISCARD"))
    assert executed(found[3], resident) is Action.DISCARD and resident not in found[3].state.store.entry


def test_a_forced_entry_has_room_made_for_it(model: MemoryModel, stream: EncodedStream, results: list[Result]) -> None:
    """The store is full: a candidate that was dropped for want of room stays when it is forced to."""
    dropped = results[3].outputs.decisions
    slot = int(
        ((dropped.action[0] == int(Action.DISCARD)) & (dropped.entry[0] >= 0)).int()[: model.cfg.n_slots].argmax()
    )
    candidate = int(ids(results[3])[slot])
    assert executed(results[3], candidate) is Action.DISCARD
    found = until(model, stream, 4, Force(segment=3, slot=slot, action="STORE"))
    assert executed(found[3], candidate) is Action.STORE and candidate in found[3].state.store.entry


def test_force_of_what_is_done_anyway_changes_nothing(
    model: MemoryModel, stream: EncodedStream, results: list[Result]
) -> None:
    changes = [
        Force(segment=t, entry=int(entry), action=executed(results[t], int(entry)).name)
        for t in (2, 5)
        for entry in ids(results[t])
        if entry >= 0 and executed(results[t], int(entry)) is Action.STORE
    ]
    assert len(changes) > 4
    for a, b in zip(until(model, stream, 7, *changes), results, strict=False):
        assert same(a.state.store, b.state.store) and torch.equal(a.state.working, b.state.working)


def test_an_action_that_is_not_possible_is_told(
    model: MemoryModel, stream: EncodedStream, results: list[Result]
) -> None:
    last = results[5].state.store.entry[0][model.entry_level == len(model.cfg.capacities) - 1]
    entry = int(last[last >= 0][0])
    with pytest.warns(InterventionWarning, match=f"COMPRESS was forced on entry {entry} in segment 6, but .* executed"):
        found = until(model, stream, 7, Force(segment=6, entry=entry, action="COMPRESS"))
    assert executed(found[6], entry) is not Action.COMPRESS
    assert int(found[6].outputs.decisions.wanted[0][ids(found[6]) == entry][0]) != int(Action.COMPRESS)


def test_force_in_one_of_two_sequences(model: MemoryModel, stream: EncodedStream) -> None:
    force = Force(segment=1, slot=0, action="DISCARD", sequence=1)
    for result in model.run([stream, stream], changes=[force]):
        if result.segment == 1:
            assert result.outputs.decisions.action[:, 0].tolist() == [int(Action.STORE), int(Action.DISCARD)]
            break


def test_forbid(model: MemoryModel, stream: EncodedStream, results: list[Result]) -> None:
    for result in model.run(stream, changes=[Forbid(action="STORE")]):
        decided = result.outputs.decisions
        assert not (decided.wanted[decided.entry >= 0] == int(Action.STORE)).any()
    entry = int(results[2].state.store.entry[0, 1])
    found = until(model, stream, 5, Forbid(action="STORE", entry=entry, segment=[3]))
    changed = results[3].outputs.decisions.wanted != found[3].outputs.decisions.wanted
    assert ids(found[3])[changed[0]].tolist() == [entry]
    none = until(model, stream, 5, Forbid(action="DISCARD", slot=1, segment=slice(2, 4)))
    q = none[3].outputs.decisions.q[0, 1, Action.DISCARD]
    assert q < -100 and none[4].outputs.decisions.q[0, 1, Action.DISCARD] > -100


def test_frozen_memories_stay_bit_equal(model: MemoryModel, stream: EncodedStream, results: list[Result]) -> None:
    found = list(model.run(stream, changes=[Freeze(memory="working", segment=4)]))
    for result in found:
        held = results[min(result.segment, 3)].state.working
        assert torch.equal(result.state.working, held)
    found = list(model.run(stream, changes=[Freeze(memory="store", segment=4)]))
    for result in found[4:]:
        held, now = results[3].state.store, result.state.store
        for name in ("content", "prior", "entry", "position", "start", "end", "entropy", "valid"):
            assert torch.equal(getattr(held, name), getattr(now, name)), name
        assert torch.equal(now.age, torch.where(held.valid, held.age + result.segment - 3, 0.0))
    # nothing before, and not after the segments it is for
    assert same(found[3].state.store, results[3].state.store)
    some = until(model, stream, 4, Freeze(memory="store", segment=slice(1, 3)))
    assert torch.equal(some[2].state.store.entry, results[0].state.store.entry)
    assert not torch.equal(some[3].state.store.entry, results[0].state.store.entry)


def test_drop_and_insert_again_is_nothing_but_new(
    model: MemoryModel, stream: EncodedStream, recorded: Recording, results: list[Result]
) -> None:
    store = results[3].state.store
    entry = int(store.entry[0, 1])
    edited = Drop(segment=4, entry=entry).edit(model, 4, results[3].state)
    others = torch.arange(store.valid.shape[1]) != 1
    assert not edited.store.valid[0, 1] and (edited.store.content[0, 1] == 0).all()
    assert same(edited.store.map(lambda x: x[:, others]), store.map(lambda x: x[:, others]))
    assert Drop(segment=4, entry=entry).edit(model, 3, results[3].state) is results[3].state
    back = Insert(segment=4, entry=entry, source=recorded).edit(model, 4, edited)
    for name in ("entry", "position", "start", "end", "valid"):
        assert torch.equal(getattr(back.store, name), getattr(store, name)), name
    torch.testing.assert_close(back.store.content, store.content)
    torch.testing.assert_close(back.store.prior, store.prior)
    assert back.store.age[0, 1] == 0
    merge = store.entry[0][model.entry_level == 1]
    merge = int(merge[merge >= 0][0])
    without = Drop(segment=4, entry=merge).edit(model, 4, results[3].state)
    again = Insert(segment=4, entry=merge, source=recorded).edit(model, 4, without)
    torch.testing.assert_close(again.store.content, store.content)
    torch.testing.assert_close(again.store.prior, store.prior)


def test_an_entry_that_was_dropped_is_put_in_the_place_of_another(
    model: MemoryModel, stream: EncodedStream, recorded: Recording, results: list[Result]
) -> None:
    gone = recorded.entries
    entry = int(gone["entry"].values[(gone["segment"].values == 2) & (gone["died"].values == 2)][0])
    other = int(results[3].state.store.entry[0, 2])
    with pytest.raises(InterventionError, match="level 0 of the store is full before segment 4: give instead_of"):
        until(model, stream, 5, Insert(segment=4, entry=entry, source=recorded))
    found = until(model, stream, 5, Insert(segment=4, entry=entry, source=recorded, instead_of=other))
    assert entry in ids(found[4]) and other not in ids(found[4])


def test_whom_there_is_not(model: MemoryModel, stream: EncodedStream, recorded: Recording) -> None:
    wrong = {
        "entry 999 is not there in segment 3; there are": Force(segment=3, entry=999, action="STORE"),
        "slot 8 does not exist; there are slots 0 to 7": Force(segment=3, slot=8, action="STORE"),
        "in segment 9, but the streams have segments 0 to 8": Force(segment=9, slot=0, action="STORE"),
        "entry 998 is not there in segment 3": Drop(segment=3, entry=998),
        "has no entry 997": Insert(segment=3, entry=997, source=recorded),
        "sequence 1 does not exist": Drop(segment=3, entry=0, sequence=1),
    }
    for message, change in wrong.items():
        with pytest.raises(MemlensError, match=message):
            until(model, stream, 9, change)


def test_no_warning_where_all_is_done(model: MemoryModel, stream: EncodedStream) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        until(model, stream, 3, Force(segment=2, slot=0, action="DISCARD"))
