"""Which points are kept, in which segments, and how much of them."""

import numpy as np
import pytest
import torch

from memlens.config import ModelConfig
from memlens.errors import MemlensError, RecordingError
from memlens.model import MemoryModel, run
from memlens.recording import RecordOptions, record
from memlens.recording.capture.point_selection import select_points
from memlens.streams import builtin_stream, default_tokenizer

SLOT, PATTERN, HIDDEN = "context.hook_slot", "context.hook_pattern", "hook_hidden"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    cfg = ModelConfig(segment_length=128, vocab_size=1024, d_model=32, n_layers=1, policy="importance")
    return MemoryModel(cfg, tokenizer=default_tokenizer(), name="test").eval()


@pytest.fixture(scope="module")
def stream(model):
    return builtin_stream("builtin", n_token=2500, seed=1).encode(model.tokenizer)


@pytest.fixture(scope="module")
def seen(model, stream):
    """What a loop of one's own sees."""
    kept = {SLOT: [], PATTERN: [], HIDDEN: []}
    hooks = [(name, lambda x, hook: kept[hook.name].append(x.detach().clone())) for name in kept]
    with model.hooks(fwd_hooks=hooks):
        list(run(model, [stream]))
    return {name: torch.stack(values, 1).numpy() for name, values in kept.items()}


def test_segments_of_a_point(model, stream, seen, tmp_path):
    points = (f"{SLOT}@2:12:3", f"{SLOT}@17", f"{HIDDEN}@4:6", "attention@::8")
    opened = record(model, stream, tmp_path / "run", RecordOptions(points=points, dtype="float32", commit_every=4))
    n = opened.segments.sizes["segment"]
    for name, when in ((SLOT, {2, 5, 8, 11, 17}), (HIDDEN, {4, 5}), (PATTERN, {0, 8, 16})):
        values = opened[name].values
        for t in range(n):
            wanted = seen[name][:, t] if t in when else np.full_like(seen[name][:, t], np.nan)
            np.testing.assert_array_equal(values[:, t], wanted)
    assert opened[SLOT].attrs["at"] == "2:12:3,17:18"
    every = record(
        model, stream, tmp_path / "every", RecordOptions(points=(SLOT, HIDDEN, "attention"), dtype="float32")
    )
    # what is not kept takes no place
    parts = [(tmp_path / "run" / "chunks"), (every.path / "chunks")]
    few, all_of_them = (sum(file.stat().st_size for file in part.iterdir()) for part in parts)
    assert few < all_of_them / 2


def test_the_largest_weights(model, stream, seen, tmp_path):
    opened = record(model, stream, tmp_path / "run", RecordOptions(attention_top=3, dtype="float32"))
    whole, top, index = seen[PATTERN], opened[PATTERN], opened[PATTERN + ".index"]
    assert top.dims[-1] == "window_top"
    assert top.sizes["window_top"] == 3
    np.testing.assert_array_equal(top.values, -np.sort(-whole, -1)[..., :3])
    np.testing.assert_array_equal(np.take_along_axis(whole, index.values, -1), top.values)
    assert opened.entries.equals(record(model, stream, tmp_path / "whole", RecordOptions(points=(SLOT,))).entries)


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_groups_at_other_dtypes(model, stream, seen, tmp_path, dtype):
    opened = record(model, stream, tmp_path / "run", RecordOptions(points=("slots", f"{HIDDEN}@3:5"), dtype=dtype))
    np.testing.assert_allclose(opened[SLOT].values, seen[SLOT], atol=np.abs(seen[SLOT]).max() / 200)
    values = opened[HIDDEN].values
    np.testing.assert_allclose(values[:, 3:5], seen[HIDDEN][:, 3:5], atol=np.abs(seen[HIDDEN]).max() / 200)
    assert np.isnan(values[:, 5:]).all()


@pytest.mark.parametrize(
    "pattern", ["slots@", "slots@a", "slots@3:2", "slots@1:2:3:4", "slots@::0", "slots@-1:", "slts@3"]
)
def test_patterns_that_say_nothing(pattern):
    with pytest.raises(MemlensError):
        select_points(ModelConfig(), [pattern])


def test_more_weights_than_there_are(model, stream, tmp_path):
    with pytest.raises(RecordingError, match="give at most as many"):
        record(model, stream, tmp_path / "run", RecordOptions(attention_top=1000))
    assert not list(tmp_path.iterdir())
