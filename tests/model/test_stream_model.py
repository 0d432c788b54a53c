"""A model of streams is called on tokens, text, segments and streams; TransformerLens's tools work with it; baselines are hooked too."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformer_lens import ActivationCache, patching
from transformer_lens.model_protocol import TransformerLensModel

from memlens.config import ModelConfig
from memlens.errors import ModelError
from memlens.model import MemoryModel, Segment, StreamReader
from memlens.model.cache import TemporalCache
from memlens.model.hooks import HookPoint, at
from memlens.streams import EncodedStream, Stream
from tests.model.conftest import SMALL, make_questions, make_segment, make_stream
from tests.model.test_baseline import make_reader

TEXT = "The access code of the old mill is 472."


@pytest.fixture(params=["memory", "attention", "ssm"])
def any_model(request: pytest.FixtureRequest, model: MemoryModel) -> MemoryModel | StreamReader:
    return model if request.param == "memory" else make_reader(request.param)


# what can be read


def test_text_tokens_and_a_segment_are_one(any_model: Any) -> None:
    token = any_model.to_tokens(TEXT)
    length = token.shape[1]
    assert token.shape == (1, length) and token.dtype == torch.long
    segment = Segment(
        torch.zeros(1, length, dtype=torch.long),
        token,
        torch.zeros(1, length, 128),
        torch.ones(1, length, dtype=torch.bool),
    )
    with torch.no_grad():
        logits = any_model(token)
        outputs, state = any_model(segment)
    assert logits.shape == (1, length, any_model.cfg.vocab_size)
    for same in (TEXT, [TEXT], token[0], token.int()):
        assert torch.equal(any_model(same), logits)
    assert torch.equal(any_model(segment, return_type="logits"), logits)
    loss = any_model(token, return_type="loss")
    assert torch.equal(loss, outputs.nats[outputs.text].mean()) and state.position.tolist() == [length]
    nats = torch.nn.functional.cross_entropy(logits[0, :-1], token[0, 1:])
    torch.testing.assert_close(loss, nats)
    assert torch.equal(any_model(token, return_type="outputs")[0][0].nats, outputs.nats)


def test_long_text_is_cut_into_segments(any_model: Any) -> None:
    token = torch.arange(150)[None] + 5
    with torch.no_grad():
        logits, cache = any_model.run_with_cache(token, names_filter="hook_hidden")
    assert logits.shape[:2] == (1, 150) and [len(cache["hook_hidden", t][0]) for t in (0, 1, 2)] == [64, 64, 22]


def test_a_list_of_segments_is_read_in_a_row(any_model: Any) -> None:
    segments, questions = [make_segment(t) for t in range(3)], make_questions(0)
    with torch.no_grad():
        outputs, end = any_model(segments, questions=questions)
        state = any_model.initial_state(2)
        for t, segment in enumerate(segments):
            one, state = any_model.step(segment, state, questions if t == 2 else None)
            assert torch.equal(one.nats, outputs[t].nats)
        assert (outputs[1].answers is None) and torch.equal(outputs[2].answers.token, one.answers.token)
        assert all(torch.equal(a, b) for a, b in zip(state.flat().values(), end.flat().values(), strict=True))
        # from a state, on to the next
        first, middle = any_model(segments[0])
        again, _ = any_model(segments[1:], middle, questions)
    assert torch.equal(first.nats, outputs[0].nats) and torch.equal(again[1].nats, outputs[2].nats)


def test_streams_side_by_side_with_their_questions(any_model: Any, stream: EncodedStream) -> None:
    short = (
        Stream("short")
        .text(TEXT)
        .question("What is the access code of the old mill?", "472")
        .encode(any_model.tokenizer)
    )
    with torch.no_grad():
        outputs, _ = any_model([stream, short])
        loss = any_model([stream, short], return_type="loss")
    results = list(any_model.run([stream, short]))
    assert len(outputs) == len(results) == 3
    for one, result in zip(outputs, results, strict=True):
        assert torch.equal(one.nats, result.outputs.nats) and (one.answers is None) == (result.outputs.answers is None)
    nats = torch.cat([one.nats[one.text] for one in outputs]).mean()
    # one question at the end of the first segment, of the short stream; two of the other
    told = torch.stack([outputs[0].answers.loss[1, 0], outputs[1].answers.loss[0, 0], outputs[2].answers.loss[0, 0]])
    torch.testing.assert_close(loss, nats + told.mean())


NOTHING_TO_READ = [
    3, None, [], "", torch.zeros(2, 3), torch.zeros(1, 0).long(), torch.zeros(1, 2, 3).long(), [1, 2], ["a", "a b c d e f"],
    [make_segment(0), "text"],
]  # fmt: skip


@pytest.mark.parametrize("given", NOTHING_TO_READ, ids=lambda given: type(given).__name__)
def test_nothing_to_read(model: MemoryModel, given: Any) -> None:
    with pytest.raises(ModelError, match="expected"):
        model(given)
    with pytest.raises(ModelError, match="expected"):
        model.run_with_cache(given)
    assert not model.list_hooks()


def test_logits_are_those_after_the_hooks(model: MemoryModel) -> None:
    token = torch.arange(40).view(2, 20) + 5
    zeroed = model.run_with_hooks(token, fwd_hooks=[("lm_head.hook_logits", lambda x, hook: x * 0)])
    assert zeroed.shape == (2, 20, SMALL.vocab_size) and not zeroed.any()
    assert not model.list_hooks() and not model.lm_head.hook_logits._forward_hooks


# TransformerLens's tools


def test_the_protocol_is_met(model: MemoryModel) -> None:
    assert isinstance(model, TransformerLensModel)
    assert (model.cfg.n_layers, model.cfg.n_heads, model.cfg.device) == (SMALL.n_layers, SMALL.n_heads, "cpu")
    assert model.cfg == SMALL and "device" not in model.cfg.model_dump()
    names = [
        f"blocks.{i}.hook_{what}" for i in range(SMALL.n_layers) for what in ("resid_pre", "mixer_out", "resid_post")
    ]
    assert set(names) < set(model.hook_dict)


def test_the_config_knows_where_the_model_is() -> None:
    model = MemoryModel(SMALL)
    assert model.to("meta").cfg.device == "meta" and SMALL.device == "cpu"
    with torch.device("meta"):
        assert MemoryModel(SMALL).cfg.device == "meta"
    assert ModelConfig.parse(model.cfg.model_dump()) == SMALL


def test_activation_cache(model: MemoryModel) -> None:
    token = torch.arange(20)[None] + 5
    with torch.no_grad():
        _, plain = model.run_with_cache(token)
    cache = ActivationCache(plain, model)
    assert torch.equal(cache["resid_post", -1], plain["blocks.1.hook_resid_post"])
    assert torch.equal(cache["mixer_out", 0], plain["blocks.0.hook_mixer_out"])
    assert torch.equal(cache["resid_pre", 1], plain["blocks.0.hook_resid_post"])
    assert cache.stack_activation("resid_post").shape == (SMALL.n_layers, 1, 20, SMALL.d_model)
    stream, labels = cache.accumulated_resid(return_labels=True, pos_slice=[-1])
    assert labels == ["0_pre", "1_pre", "final_post"] and stream.shape == (3, 1, 1, SMALL.d_model)
    parts = plain["encoders.hook_embed"] + plain["blocks.0.hook_mixer_out"] + plain["blocks.1.hook_mixer_out"]
    torch.testing.assert_close(parts, cache["resid_post", -1])
    flat = cache.remove_batch_dim()
    assert flat["resid_post", 0].shape == (20, SMALL.d_model)


def clean_and_corrupted(model: MemoryModel) -> tuple[Tensor, Tensor, int]:
    clean, corrupted = (model.to_tokens(f"Code 47{digit} opens the old mill.") for digit in "12")
    [place] = (clean != corrupted)[0].nonzero()[:, 0].tolist()
    return clean, corrupted, place


@pytest.mark.parametrize("name", ["resid_pre", "resid_post", "mixer_out"])
def test_activation_patching(model: MemoryModel, name: str) -> None:
    clean, corrupted, place = clean_and_corrupted(model)
    with torch.no_grad():
        wanted, cache = model.run_with_cache(clean)
        target = wanted[0, -1].argmax()

        def metric(logits: Tensor) -> Tensor:
            return logits[:, -1, target]

        result = patching.generic_activation_patch(
            model, corrupted, ActivationCache(cache, model), metric, patching.layer_pos_patch_setter, name, ("layer", "pos"),
            reduce="none", baseline=True,
        )  # fmt: skip
    effect = result.effect()[..., 0]
    assert effect.shape == (SMALL.n_layers, clean.shape[1])
    assert not effect[:, :place].any(), "nothing before the corrupted token differs"
    if name == "resid_pre":
        # where everything comes in, the one token makes all of the difference
        assert torch.equal(result.values[0, place], metric(wanted))
        again = patching.get_act_patch_resid_pre(model, corrupted, cache, lambda logits: metric(logits)[0])
        assert torch.equal(again, result.values[..., 0])
    elif name == "resid_post":
        assert torch.equal(result.values[-1, -1], metric(wanted)), "the last place of the last layer decides alone"
    assert effect.any()


def test_patching_refuses_a_model_that_trains(model: MemoryModel) -> None:
    clean, corrupted, _ = clean_and_corrupted(model)
    _, cache = model.run_with_cache(clean)
    with pytest.raises(ValueError, match=r"Call model\.eval\(\)"):
        patching.get_act_patch_resid_pre(model.train(), corrupted, cache, lambda logits: logits.sum())


# baselines


@pytest.fixture(params=["attention", "ssm"])
def reader(request: pytest.FixtureRequest) -> StreamReader:
    return make_reader(request.param, max_answer=4)


def test_baselines_are_hooked_in_time(reader: StreamReader, stream: EncodedStream) -> None:
    state = "mixers.0.hook_state" in reader.hook_dict
    assert state == (reader.cfg.kind == "ssm")
    with torch.no_grad():
        (outputs, _), cache = reader.run_with_cache(stream)
    assert isinstance(cache, TemporalCache) and set(cache) == set(reader.hook_dict)
    assert cache["hook_hidden"].shape == (3, 1, 64, 32) and cache["hook_logits"].shape == (3, 1, 64, 1024)
    for name in reader.hook_dict:
        # segments in which nobody asks: every point fires once, with the axes that it says
        assert cache[name, 0].dim() == 1 + len(reader.axes()[name])
    assert len(cache.firings("hook_resid_post.1", 1)) > 1
    assert torch.equal(reader.norm(cache["hook_resid_post.1", 0]), cache["hook_hidden", 0])

    def edit(x: Tensor, hook: HookPoint) -> Tensor:
        return x + 1

    with torch.no_grad():
        for name in ("mixers.1.hook_mixer_out", "mixers.0.hook_resid_pre", "hook_resid_post.0", "encoders.hook_embed"):
            edited, _ = reader.run_with_hooks(stream, fwd_hooks=[(at(name, segment=1, token=5), edit)])
            same = [torch.equal(a.nats, b.nats) for a, b in zip(outputs, edited, strict=True)]
            assert same[:2] == [True, False]


def test_gradients_of_baselines(reader: StreamReader) -> None:
    streams, held = [make_stream("mill"), make_stream("farm")], {}

    def hold(x: Tensor, hook: HookPoint) -> None:
        x.retain_grad()
        held[hook.name, hook.segment] = x

    names = ["hook_hidden", "hook_logits"]
    _, cache = reader.run_with_cache(streams, names_filter=names, incl_bwd=True, return_type="loss")
    reader.run_with_hooks(streams, fwd_hooks=[(name, hold) for name in names], return_type="loss").backward()
    assert cache.segments("hook_logits_grad") == [0, 1, 2] and len(held) == 6
    for (name, t), x in held.items():
        assert x.grad is not None and torch.equal(cache[f"{name}_grad", t], x.grad)


def test_baselines_are_hooked_by_step_and_run(reader: StreamReader, stream: EncodedStream) -> None:
    seen: list[int] = []
    reader.add_hook("hook_hidden", lambda x, hook: seen.append(hook.segment))
    results = list(reader.run(stream))
    list(reader.run(stream, state=results[0].state, first=1))
    assert seen == [0, 1, 2, 1, 2]
