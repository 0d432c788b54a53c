"""Hooks in time: names, places, segments, gradients and caches."""

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import pytest
import torch
from torch import Tensor

from memlens.errors import ModelError, PointError
from memlens.model.cache import TemporalCache
from memlens.model.hooks import HookPoint, at
from memlens.model.model import MemoryModel
from memlens.streams import EncodedStream
from tests.model.conftest import SMALL, make_model, make_questions, make_segment, make_stream

SLOT, WORKING, LOGITS = "context.hook_slot", "working.hook_slot", "decoder.hook_logits"
N_SEGMENT = 3
#: Asked at the ends of these segments.
ASKED = [1, 2]


@pytest.fixture
def model() -> MemoryModel:
    """Short answers: generation takes most of a small model's time."""
    return make_model(SMALL.model_copy(update={"max_answer": 4}))


def nothing(x: Tensor, hook: HookPoint) -> None:
    """Look and leave."""


def noting(seen: list[Any]) -> Callable[..., None]:
    def note(x: Tensor, hook: HookPoint) -> None:
        seen.append(hook.segment)

    return note


def test_a_cache_of_a_stream_has_an_axis_of_segments(model: MemoryModel, stream: EncodedStream) -> None:
    with torch.no_grad():
        (outputs, _), cache = model.run_with_cache(stream)
    assert isinstance(cache, TemporalCache) and len(outputs) == N_SEGMENT
    assert repr(cache) == f"TemporalCache({len(model.hook_dict)} points, {N_SEGMENT} segments)"
    assert cache.segments(SLOT) == [0, 1, 2] and cache.segments(LOGITS) == ASKED
    assert cache[SLOT].shape == (N_SEGMENT, 1, model.cfg.n_slots, model.cfg.d_model)
    for t in range(N_SEGMENT):
        assert torch.equal(cache[SLOT, t], outputs[t].slot) and torch.equal(cache[SLOT][t], outputs[t].slot)
        assert torch.equal(cache[SLOT, t, 2], outputs[t].slot[:, 2])
    assert cache[WORKING, 1, 3].shape == cache["store.hook_content", 1, -1].shape == (1, model.cfg.d_model)
    assert cache["retrieval.hook_query"].shape[:2] == (len(ASKED), 1)


def test_a_cache_of_one_segment_is_as_transformer_lens_has_it(model: MemoryModel) -> None:
    token = torch.arange(2 * 20).view(2, 20) + 5
    logits, cache = model.run_with_cache(token)
    assert logits.shape == (2, 20, model.cfg.vocab_size)
    assert type(cache) is dict and cache["hook_hidden"].shape == (2, 20, model.cfg.d_model)
    assert torch.equal(cache["lm_head.hook_logits"], logits)
    _, asked = model.run_with_cache(token, questions=make_questions(0))
    # of several firings the first: teacher forcing, of as many tokens as the answer has
    assert asked[LOGITS].shape[2] == make_questions(0).answer.shape[2]


def test_filters_and_cuts_in_time(model: MemoryModel, stream: EncodedStream) -> None:
    names = ["hook_hidden", SLOT, "importance.hook_score"]
    with torch.no_grad():
        _, cache = model.run_with_cache(stream, names_filter=names)
        _, cut = model.run_with_cache(stream, names_filter=names, pos_slice=(3, 6), remove_batch_dim=True)
        _, window = model.run_with_cache(stream, names_filter=[at(SLOT, segment=slice(1, None)), "hook_hidden"])
        _, silent = model.run_with_cache(stream, names_filter=lambda name: name == SLOT, device=torch.device("meta"))
    assert list(cache) == ["hook_hidden", "importance.hook_score", SLOT]
    assert torch.equal(cut["hook_hidden"], cache["hook_hidden"][:, 0, 3:6])
    assert torch.equal(cut["importance.hook_score"], cache["importance.hook_score"][:, 0, 3:6])
    assert torch.equal(cut[SLOT], cache[SLOT][:, 0]) and torch.equal(cut[SLOT, 1, 2], cache[SLOT, 1, 2][0])
    assert window.segments(SLOT) == [1, 2] and window.segments("hook_hidden") == [0, 1, 2]
    assert torch.equal(window[SLOT], cache[SLOT][1:])
    assert silent[SLOT].device.type == "meta" and silent.segments(SLOT) == [0, 1, 2]


def test_caching_hooks_stay_and_follow_the_time(model: MemoryModel, stream: EncodedStream) -> None:
    cache = model.add_caching_hooks([SLOT, LOGITS])
    outputs = [result.outputs for result in model.run(stream)]
    assert torch.equal(cache[SLOT], torch.stack([one.slot for one in outputs])) and cache.segments(LOGITS) == ASKED
    # another, shorter reading: nothing of the first is left
    state = model.initial_state(2)
    _, state = model.step(make_segment(0), state)
    assert cache.segments(SLOT) == [0] and LOGITS not in cache
    outputs, _ = model.step(make_segment(1), state)
    assert cache[SLOT].shape[:2] == (2, 2) and torch.equal(cache[SLOT, 1], outputs.slot)


# segments and firings


@pytest.mark.parametrize("read", ["forward", "run", "step"])
def test_hooks_know_their_segment(model: MemoryModel, stream: EncodedStream, read: str) -> None:
    seen: list[int] = []
    with torch.no_grad(), model.hooks(fwd_hooks=[(SLOT, noting(seen))]):
        if read == "forward":
            model(stream)
        elif read == "run":
            list(model.run(stream))
        else:
            state = model.initial_state(2)
            for t in range(N_SEGMENT):
                _, state = model.step(make_segment(t), state)
    assert seen == [0, 1, 2] and model.hook_dict[SLOT].segment == 2


def test_a_run_that_goes_on_counts_on(model: MemoryModel, stream: EncodedStream) -> None:
    seen: list[int] = []
    first = next(model.run(stream))
    with model.hooks(fwd_hooks=[(SLOT, noting(seen))]):
        list(model.run(stream, state=first.state, first=1))
    assert seen == [1, 2]


def test_generation_fires_once_a_token(model: MemoryModel) -> None:
    """And before that once for teacher forcing; an edit of one token's logits decides about that token."""
    seen: list[tuple[int, int, int]] = []
    questions = make_questions(0)

    def note(x: Tensor, hook: HookPoint) -> None:
        seen.append((hook.segment, hook.firing, x.shape[2]))

    def write_seven(x: Tensor, hook: HookPoint) -> Tensor | None:
        return x.index_fill(3, torch.tensor(7), 1e4) if hook.firing == 2 else None

    hooks = [(LOGITS, note), (at(LOGITS, segment=1), write_seven)]
    with torch.no_grad(), model.hooks(fwd_hooks=hooks):
        state = model.initial_state(2)
        for t in range(2):
            outputs, state = model.step(make_segment(t), state, questions)
    assert outputs.answers is not None
    written = outputs.answers.token
    assert (written[..., 1] == 7).all() and not (written[..., 0] == 7).any()
    teacher = questions.answer.shape[2]
    n_step = [number for t, number, _ in seen if t == 1]
    assert n_step == list(range(len(n_step))) and len(n_step) == 1 + written.shape[2]
    assert [(t, length) for t, number, length in seen if number == 0] == [(0, teacher), (1, teacher)]
    assert [length for t, number, length in seen if t == 1 and number] == list(range(1, 1 + written.shape[2]))


def test_firings_are_kept_apart(model: MemoryModel, stream: EncodedStream) -> None:
    with torch.no_grad():
        _, cache = model.run_with_cache(stream, names_filter=LOGITS)
    for t in ASKED:
        teacher, *tokens = cache.firings(LOGITS, t)
        assert len(tokens) > 1 and [x.shape[2] for x in tokens] == list(range(1, 1 + len(tokens)))
        # the first token sees what teacher forcing's first place saw
        torch.testing.assert_close(teacher[:, :, :1], tokens[0])


# places


def test_an_address_edits_one_place(model: MemoryModel, stream: EncodedStream) -> None:
    def negate(x: Tensor, hook: HookPoint) -> Tensor:
        assert x.shape == (1, model.cfg.d_model) and hook.segment == 2
        return -x

    with torch.no_grad():
        before, _ = model(stream)
        after, _ = model.run_with_hooks(stream, fwd_hooks=[(at(SLOT, segment=2, slot=1), negate)])
    assert torch.equal(before[1].slot, after[1].slot)
    assert torch.equal(-before[2].slot[:, 1], after[2].slot[:, 1])
    assert torch.equal(before[2].slot[:, 2:], after[2].slot[:, 2:])


def test_an_address_of_one_sequence(model: MemoryModel) -> None:
    """Others are left alone, those of the other sequence side by side too."""
    streams = [make_stream("mill"), make_stream("farm")]

    def zero(x: Tensor, hook: HookPoint) -> Tensor:
        assert x.shape == (model.cfg.d_model,)
        return torch.zeros_like(x)

    model.add_hook(at(WORKING, segment=1, slot=2, sequence=1), zero)
    with torch.no_grad():
        _, cache = model.run_with_cache(streams, names_filter=[WORKING, SLOT])
        model.reset_hooks()
        _, plain = model.run_with_cache(streams, names_filter=[WORKING, SLOT])
    assert not cache[WORKING, 1, 2][1].any() and plain[WORKING, 1, 2][1].any()
    assert torch.equal(cache[WORKING][:, 0], plain[WORKING][:, 0])
    assert not torch.equal(cache[WORKING, 2][1], plain[WORKING, 2][1])


def test_an_address_in_place(model: MemoryModel) -> None:
    def fill(x: Tensor, hook: HookPoint) -> None:
        x.fill_(3.0)

    with torch.no_grad():
        outputs, _ = model.run_with_hooks(make_segment(0), fwd_hooks=[(at(SLOT, slot=-1), fill)])
    assert (outputs.slot[:, -1] == 3).all() and not (outputs.slot[:, :-1] == 3).all()


@pytest.mark.parametrize("segments", [range(1, 3), slice(1, 3), slice(1, None), [1, 2], 1])
def test_addresses_of_segments(model: MemoryModel, segments: Any) -> None:
    seen: list[int] = []
    model.add_hook(at(SLOT, segment=segments), noting(seen))
    with torch.no_grad():
        model([make_segment(t) for t in range(4)])
    assert seen == {"slice(1, None, None)": [1, 2, 3], "1": [1]}.get(str(segments), [1, 2])


def test_addresses_list_the_hook_that_was_given(model: MemoryModel) -> None:
    model.add_hook(at(SLOT, segment=1), nothing)
    [handle] = model.list_hooks(SLOT)[SLOT]
    assert handle.user_hook is not None and handle.user_hook.hook is nothing


@pytest.mark.parametrize("segment", [-1, [0, -3], slice(-2, None), [], slice(3, 3), 1.5, "one"])
def test_segments_that_cannot_be(segment: Any) -> None:
    with pytest.raises(PointError, match=r"segment is .*, expected"):
        unwrap(at)(SLOT, segment=segment)


def test_places_that_are_no_index() -> None:
    with pytest.raises(PointError, match=r"slot is \[1, 2\], expected one index"):
        unwrap(at)(SLOT, slot=[1, 2])


def test_sequences_in_different_segments_are_not_addressed_by_segment(model: MemoryModel) -> None:
    state = model.initial_state(2)
    apart = state.filled({**state.flat(), "segment": torch.tensor([0, 5])})
    seen: list[int] = []
    with model.hooks(fwd_hooks=[(SLOT, noting(seen))]):
        model.step(make_segment(0), apart)
    assert seen == [0]
    with (
        pytest.raises(PointError, match=r"are in segments \[0, 5\]"),
        model.hooks(fwd_hooks=[(at(SLOT, segment=0), nothing)]),
    ):
        model.step(make_segment(0), apart)


WRONG_NAMES: dict[str, tuple[Any, str]] = {
    "unknown": ("context.hook_slto", "closest: context.hook_slot"),
    "an address of it": (at("context.hook_slto", slot=3), "closest: context.hook_slot"),
    "a module": ("context", "no hook point is called 'context'"),
    "a function that chooses none": (lambda name: False, "chose none"),
    "an axis that is not there": (at(SLOT, entry=3), "has no axis 'entry'; closest: segment, feature"),
}


@pytest.mark.parametrize(("name", "message"), WRONG_NAMES.values(), ids=WRONG_NAMES)
def test_wrong_names(model: MemoryModel, name: Any, message: str) -> None:
    for hooks in ({"fwd_hooks": [(name, nothing)]}, {"bwd_hooks": [(name, nothing)]}):
        with pytest.raises(PointError, match=message), model.hooks(**hooks):
            pass
    for add in (model.add_hook, model.add_perma_hook):
        with pytest.raises(PointError, match=message):
            add(name, nothing)
    if "entry" not in message:
        with pytest.raises(PointError, match=message):
            model.run_with_cache(make_segment(0), names_filter=name)
    assert model.context_level == 0 and not model.list_hooks()


def test_places_outside_of_a_point(model: MemoryModel) -> None:
    with pytest.raises(PointError, match=r"outside of its shape there, \{'sequence': 2, 'slot': 8"):
        model.run_with_hooks(make_segment(0), fwd_hooks=[(at(SLOT, slot=10_000), nothing)])
    assert not model.list_hooks()


def test_caches_keep_whole_tensors(model: MemoryModel) -> None:
    with pytest.raises(PointError, match=r"index the cache, as in cache\['context.hook_slot', t, slot\]"):
        model.run_with_cache(make_segment(0), names_filter=at(SLOT, slot=3))


def test_what_a_cache_does_not_have(model: MemoryModel, stream: EncodedStream) -> None:
    with torch.no_grad():
        _, cache = model.run_with_cache(stream)
    for key, message in {
        "hook_hiden": "closest: hook_hidden",
        (SLOT, 99): "did not fire in segment 99; it did in 3, from 0 to 2",
        (LOGITS, 0): "did not fire in segment 0",
        (LOGITS, 1): r"fired \d+ times in segment 1; take one of cache.firings",
        "compressor.hook_merged.0": None,
        ("importance.hook_score", 0, 1): "has no slots; its axes are token",
    }.items():
        if message is not None:
            with pytest.raises(PointError, match=message):
                cache[key]
    ragged, forwards, _ = model.get_caching_hooks("hook_hidden")
    with torch.no_grad():
        model.run_with_hooks([make_segment(0), make_segment(1, length=10)], fwd_hooks=forwards)
    assert [ragged["hook_hidden", t].shape[1] for t in (0, 1)] == [64, 10]
    with pytest.raises(PointError, match="has another shape in other segments"):
        ragged["hook_hidden"]


# what hooks leave alone


def test_cached_tensors_are_copies(model: MemoryModel, stream: EncodedStream) -> None:
    def spoil(x: Tensor, hook: HookPoint) -> None:
        x.zero_()

    for spoilt in (SLOT, WORKING, "store.hook_content"):
        cache, forwards, _ = model.get_caching_hooks(spoilt)
        with torch.no_grad():
            model.run_with_hooks(stream, fwd_hooks=[*forwards, (spoilt, spoil)])
        assert float(cache[spoilt].abs().sum()) > 0
    with torch.no_grad():
        (outputs, state), cache = model.run_with_cache(make_segment(0))
    kept = {name: x.clone() for name, x in cache.items()}
    for tensor in (*outputs.flat().values(), *state.flat().values()):
        tensor.zero_()
    assert all(torch.equal(kept[name].nan_to_num(), cache[name].nan_to_num()) for name in cache)


def test_idle_hooks_read_nothing_from_the_device(model: MemoryModel) -> None:
    """Which segment it is, is read when a hook asks: a GPU is waited for by nobody else."""
    seen: list[int] = []
    with torch.no_grad():
        model.run_with_hooks(make_segment(0), fwd_hooks=[(SLOT, nothing)])
        assert "segments" not in vars(model.clock.moment)
        model.run_with_hooks(make_segment(0), fwd_hooks=[(SLOT, noting(seen))])
    assert "segments" in vars(model.clock.moment) and seen == [0]


def test_before_the_first_step(model: MemoryModel) -> None:
    assert all(point.segment == -1 for point in model.hook_dict.values())  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", ["outputs and loss", "both"])
def test_return_types(model: MemoryModel, wrong: Any) -> None:
    with pytest.raises(ModelError, match="expected 'outputs', 'logits' or 'loss'"):
        unwrap(MemoryModel.forward)(model, make_segment(0), return_type=wrong)
