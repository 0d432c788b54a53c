"""record(): a small untrained model over built-in streams; hooks copy and change nothing."""

import numpy as np
import pytest
import torch

from memlens.config import ModelConfig
from memlens.errors import ConfigError, MemlensError, RecordingError
from memlens.model import MemoryModel, run
from memlens.recording import RecordOptions, record
from memlens.streams import Stream, builtin_stream, default_tokenizer


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return MemoryModel(ModelConfig(), tokenizer=default_tokenizer(), name="test").eval()


@pytest.fixture(scope="module")
def streams(model):
    return [
        builtin_stream("builtin", n_token=n, seed=seed).encode(model.tokenizer) for n, seed in ((4000, 0), (2500, 1))
    ]


@pytest.fixture(scope="module")
def recorded(model, streams, tmp_path_factory):
    return record(model, streams[0], tmp_path_factory.mktemp("record") / "run")


def plain(model, stream):
    return [(r.outputs.flat(), r.state.flat()) for r in run(model, [stream])]


def test_recording_changes_nothing(model, streams, recorded, tmp_path):
    before = plain(model, streams[0])
    again = record(model, streams[0], tmp_path / "again", RecordOptions(dtype="float32"))
    slot = torch.stack([outputs["slot"] for outputs, _ in before], 1).numpy()
    np.testing.assert_array_equal(again["context.hook_slot"].values, slot)
    np.testing.assert_array_equal(recorded["context.hook_slot"].values, slot.astype(np.float16))
    for name in ("decisions", "questions", "entries"):
        assert getattr(again, name).equals(getattr(recorded, name)), name
    for (outputs, state), (outputs_after, state_after) in zip(before, plain(model, streams[0]), strict=True):
        for a, b in ((outputs, outputs_after), (state, state_after)):
            assert all(torch.equal(torch.nan_to_num(a[k].float()), torch.nan_to_num(b[k].float())) for k in a)


def test_tables_agree_with_the_stream_and_the_state(model, streams, recorded):
    stream = streams[0]
    assert recorded.questions.sizes["question"] == len(stream.questions)
    assert list(recorded.questions["text"].values) == [q.text for q in stream.questions]
    assert recorded.attrs["n_token"] == stream.n_token
    np.testing.assert_array_equal(recorded.positions["token"].values[0, : stream.n_token], stream.token)
    entries, held = recorded.entries, recorded.segments["entry_id"].values[0, -1]
    assert set(held[held >= 0]) == set(entries["entry"].values[entries["died"].values < 0])
    fresh = entries["slot"].values >= 0
    start = recorded.segments["start"].values[entries["segment"].values[fresh]]
    segment, slot = (entries[name].values[fresh] for name in ("segment", "slot"))
    picked = recorded["context.hook_position"].values[0, segment, slot]
    np.testing.assert_array_equal(entries["position"].values[fresh], start + picked)
    agrees = entries["modality"].values[fresh] == stream.modality[entries["position"].values[fresh]]
    assert agrees.mean() > 0.5
    known = entries["fact"].values[entries["fact"].values >= 0]
    assert known.size and set(known) <= set(stream.facts)
    assert set(np.unique(recorded.questions["read_kind"].values)) <= {-1, 0, 1, 2}
    bits = recorded.segments["bits_per_byte"].values
    assert (bits[np.isfinite(bits)] > 0).all()


def test_two_sequences_are_what_each_is_alone(model, streams, recorded, tmp_path):
    both = record(model, streams, tmp_path / "both")
    assert both.segments.sizes["sequence"] == 2
    n = streams[1].n_segment(model.cfg.segment_length)
    assert (both.segments["n_valid"].values[1, n:] == 0).all()
    assert (both.positions["modality"].values[1, streams[1].n_token :] == -1).all()
    own = both.questions.isel(question=both.questions["sequence"].values == 0)
    assert list(own["text"].values) == list(recorded.questions["text"].values)
    together, alone = (r["context.hook_slot"].values[0].astype(float) for r in (both, recorded))
    np.testing.assert_allclose(together, alone, atol=2e-2)


def test_all_points_that_fire_every_segment(model, tmp_path):
    stream = Stream("short").text("The code of the red door is 472. " * 30)
    opened = record(model, stream, tmp_path / "all", RecordOptions(points=("all",)))
    assert opened["compressor.hook_merged.0"].sizes["segment"] == 1
    assert "question.hook_slot" not in opened.segments


@pytest.mark.parametrize("points", [("decoder",), ("retrieval.hook_read",), ("no_such_point",), ()])
def test_points_that_cannot_be_recorded(model, streams, tmp_path, points):
    with pytest.raises(MemlensError):
        record(model, streams[0], tmp_path / "run", RecordOptions(points=points))
    assert not list(tmp_path.iterdir())


def test_a_missing_model_or_stream_leaves_nothing(model, tmp_path):
    for given, stream in ((tmp_path / "none", "builtin"), (model, str(tmp_path / "none.txt")), (model, 3)):
        with pytest.raises(MemlensError):
            record(given, stream, tmp_path / "run")
    with pytest.raises(ConfigError, match="int4"):
        record(model, "builtin", tmp_path / "run", RecordOptions(dtype="int4"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"point": "slots"}, "unknown key 'point'; closest: points"),
        ({"commit_every": 0}, "'commit_every' is 0, expected a value greater than or equal to 1"),
        ({"states_every": "often"}, "'states_every' is 'often'"),
        ({"points": 3}, "'points' is 3"),
        ({"interventions": "drop"}, "'interventions' is 'drop'"),
    ],
)
def test_wrong_options_are_named(options, said):
    with pytest.raises(ConfigError, match=said):
        RecordOptions(**options)


def test_what_is_no_option_is_refused(model, tmp_path):
    for options, said in (
        ({"dtype": "int8"}, "options is a dict, expected RecordOptions"),
        (RecordOptions(parent="runs/first"), "parent: got a str 'runs/first', expected a recording"),
        (RecordOptions(interventions=("drop",)), "an intervention is a str"),
    ):
        with pytest.raises(RecordingError, match=said):
            record(model, "builtin", tmp_path / "run", options)
    assert not list(tmp_path.iterdir())


def test_states_are_kept_exactly(model, streams, tmp_path):
    opened = record(model, streams[0], tmp_path / "run", RecordOptions(states_every=3))
    results = list(run(model, [streams[0]]))
    n = len(results)
    assert list(opened.states) == sorted({*range(0, n, 3), n})
    kept = {0: model.initial_state(1), **{r.segment + 1: r.state for r in results}}
    for before in opened.states:
        segment, tensors = opened.state(before)
        assert segment == before
        for name, tensor in kept[before].flat().items():
            wanted = tensor.detach().numpy()
            assert tensors[name].dtype == wanted.dtype
            np.testing.assert_array_equal(tensors[name], wanted)
    assert opened.state(5)[0] == 3
    none = record(model, streams[0], tmp_path / "none", RecordOptions(states_every=0))
    with pytest.raises(RecordingError, match="states-every"):
        none.state(5)


def test_streams_are_rebuilt(model, streams, tmp_path):
    rebuilt = record(model, streams, tmp_path / "run").streams()
    assert [s.sha256 for s in rebuilt] == [s.sha256 for s in streams]
    assert [(s.name, s.seed, s.config, s.facts) for s in rebuilt] == [
        (s.name, s.seed, s.config, s.facts) for s in streams
    ]
