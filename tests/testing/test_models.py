"""Recordings of the hand-built models show exactly what their weights were set for."""

import json

import numpy as np
import pytest

from memlens.dims import Action
from memlens.recording import RecordOptions, record
from memlens.testing.hand_set_weights import FLAG, KEYS, N_ITEM, TRACE, VALUES
from memlens.testing.models import counter, flagged_store, forgetting


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Each model with its recording."""
    folder = tmp_path_factory.mktemp("models")
    made = {build.__name__: build() for build in (counter, flagged_store, forgetting)}
    return {
        name: (one, record(one.model, one.stream, folder / name, RecordOptions(dtype="float32")))
        for name, one in made.items()
    }


def trace(recording, row):
    """How strongly each working slot holds the value of an item, (segment, working)."""
    return recording["working.hook_slot"].values[0][..., TRACE.start + VALUES.index(row["value"])]


def test_the_counter_counts_segments_with_a_flag(recorded):
    built, recording = recorded["counter"]
    slot = recording["working.hook_slot"].values[0]
    np.testing.assert_allclose(slot[..., FLAG], built.truth["value"], atol=1e-5)
    assert not np.delete(slot, FLAG, -1).any()
    count = np.log(1 - slot[..., FLAG]) / np.log(built.truth["keep"])
    np.testing.assert_allclose(count, np.tile(built.truth["count"], (4, 1)).T, atol=0.15)


def test_the_counter_keeps_its_count_exactly_between_flags(recorded):
    built, recording = recorded["counter"]
    slot, gate = (recording[f"working.hook_{name}"].values[0] for name in ("slot", "gate"))
    quiet = np.setdiff1d(np.arange(1, len(slot)), built.truth["counted"])
    np.testing.assert_array_equal(slot[quiet], slot[quiet - 1])
    assert (gate[quiet] == 1).all()
    np.testing.assert_allclose(gate[built.truth["counted"]], [built.truth["keep"]] * len(built.truth["counted"]), rtol=1e-5)  # fmt: skip


def test_the_counter_stores_nothing(recorded):
    _, recording = recorded["counter"]
    assert not recording.segments["occupancy"].values.any()
    assert set(recording.decisions["executed"].values) == {Action.DISCARD}


def test_the_store_keeps_flagged_items_and_no_others(recorded):
    built, recording = recorded["flagged_store"]
    held = recording.entries.isel(birth=recording.entries["died"].values < 0)
    rows = built.truth["stored"]
    assert held["position"].values.tolist() == [row["position"] for row in rows]
    assert held["fact"].values.tolist() == [row["fact"] for row in rows]
    content = recording["store.hook_content"].values[0, -1]
    for place, row in enumerate(rows):
        strength = np.sqrt(recording["store.hook_content"].sizes["feature"])
        expected = np.zeros(content.shape[1])
        expected[[KEYS.index(row["key"]), N_ITEM + VALUES.index(row["value"])]] = strength
        np.testing.assert_allclose(content[place], expected, atol=1e-3)


def test_each_answer_comes_from_its_own_entry(recorded):
    built, recording = recorded["flagged_store"]
    asked, entries = recording.questions, recording.entries
    held = entries.isel(birth=entries["died"].values < 0)
    entry_of = dict(zip(held["fact"].values, held["entry"].values, strict=True))
    assert asked["correct"].values.tolist() == built.truth["correct"]
    for row, right in enumerate(asked["correct"].values):
        one = asked.isel(question=row)
        if right:
            assert one["read_entry"].values[0] == entry_of[int(one["fact"])]
            assert one["read_weight"].values[0] == pytest.approx(1)
        else:
            assert set(one["read_entry"].values) == {-1}
    assert asked["loss"].values[asked["correct"].values].max() < 1e-4


def test_without_its_entry_an_answer_is_lost(recorded):
    """The cause is known: emptying one entry changes one answer."""
    built, _ = recorded["flagged_store"]
    from memlens.model import run

    def answers(hooks):
        with built.model.hooks(fwd_hooks=hooks):
            results = list(run(built.model, [built.stream]))
        return results[-1].outputs.answers.correct[0].numpy()

    def empty(content, hook):
        content = content.clone()
        content[:, 2] = 0
        return content

    whole, without = answers([]), answers([("store.hook_content", empty)])
    third = built.truth["stored"][2]["fact"]
    facts = [question.fact for question in built.stream.questions]
    assert np.flatnonzero(whole != without).tolist() == [facts.index(third)]


def test_q_is_the_function_it_was_set_to(recorded):
    _, recording = recorded["flagged_store"]
    table = recording.decisions
    names = [str(name) for name in table["feature"].values]
    importance = table["control"].values[:, names.index("importance")]
    np.testing.assert_allclose(table["q"].values[:, Action.STORE], 1 + importance, atol=1e-4)
    np.testing.assert_allclose(table["q"].values[:, Action.DISCARD], 0, atol=1e-4)


def test_entries_are_forgotten_after_a_known_life(recorded):
    built, recording = recorded["forgetting"]
    entries = recording.entries
    lived = entries.isel(birth=(entries["died"].values < 0) | (entries["died"].values > entries["segment"].values))
    rows = built.truth["stored"]
    assert lived["position"].values.tolist() == [row["position"] for row in rows]
    assert lived["died"].values.tolist() == [row["died"] for row in rows]
    gone = lived.isel(birth=lived["died"].values >= 0)
    assert set((gone["died"] - gone["segment"]).values.tolist()) == {built.truth["life"]}
    assert recording.questions["correct"].values.tolist() == built.truth["correct"]


def test_traces_are_forgotten_at_a_known_rate(recorded):
    built, recording = recorded["forgetting"]
    keep = np.array(built.truth["keep"])
    for row in built.truth["stored"][:3]:
        seen = trace(recording, row)
        since = np.arange(len(seen)) - row["segment"]
        expected = np.where(since[:, None] >= 0, (1 - keep) * keep ** np.maximum(since, 0)[:, None], 0)
        np.testing.assert_allclose(seen, expected, rtol=0.01, atol=1e-6)
        ratio = seen[row["segment"] + 1 :] / seen[row["segment"] : -1]
        np.testing.assert_allclose(ratio, np.broadcast_to(keep, ratio.shape), rtol=1e-3)


def test_truth_is_plain_data(recorded):
    for built, _ in recorded.values():
        assert json.loads(json.dumps(built.truth)) == built.truth


def test_other_seeds_and_rates(tmp_path):
    built = forgetting(n_segment=14, life=2, keep=(0.3, 0.6), seed=5)
    recording = record(built.model, built.stream, tmp_path / "run", RecordOptions(dtype="float32"))
    assert recording.questions["correct"].values.tolist() == built.truth["correct"]
    first = built.truth["stored"][0]
    ratio = trace(recording, first)[1:] / trace(recording, first)[:-1]
    np.testing.assert_allclose(ratio, np.broadcast_to((0.3, 0.6), ratio.shape), rtol=1e-3)
