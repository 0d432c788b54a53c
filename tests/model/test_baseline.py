"""The baselines: segments are one stream, an answer goes on from it, questions leave no trace; saved, loaded, of equal size."""

from typing import cast

import pytest
import torch
from torch import Tensor

from memlens.config import BaselineConfig, ModelConfig
from memlens.dims import BOS, EOS, PAD, PAYLOAD_WIDTH, Modality
from memlens.errors import ConfigError, ModelError
from memlens.model import (
    MemoryModel,
    Questions,
    Segment,
    StreamReader,
    equal_config,
    load_memory_model,
    load_model,
    run,
    save_model,
)
from memlens.model.backbone import Block
from memlens.model.baseline import ReaderState
from memlens.model.checkpoint import load_config
from memlens.model.window_attention import WindowAttention
from memlens.recording import record
from memlens.streams import Stream, default_tokenizer
from tests.model.conftest import make_questions, make_segment

SMALL = BaselineConfig(
    kind="attention", d_model=32, segment_length=64, n_layers=2, n_heads=2, window=24, ssd_heads=2, ssd_head_dim=16, ssd_state=8, chunk=16,
)  # fmt: skip


def make_reader(kind: str, **changes: object) -> StreamReader:
    torch.manual_seed(0)
    reader = StreamReader(SMALL.model_copy(update={"kind": kind, **changes}), default_tokenizer(), "small")
    with torch.no_grad():
        for mixer in cast("list[WindowAttention | Block]", list(reader.mixers)):
            mixer.out.weight.mul_(3)  # so that mixers are heard
    return reader.eval()


@pytest.fixture(params=["attention", "ssm"])
def reader(request: pytest.FixtureRequest) -> StreamReader:
    return make_reader(request.param)


def part(segment: Segment, start: int, stop: int) -> Segment:
    return segment.map(lambda x: x[:, start:stop])


def fed(reader: StreamReader, segment: Segment, cuts: list[int]) -> tuple[Tensor, ReaderState]:
    """Hidden vectors and final state, fed in pieces that end at ``cuts``."""
    state, hidden = reader.initial_state(segment.token.shape[0]), []
    with torch.no_grad():
        for start, stop in zip([0, *cuts], cuts, strict=False):
            vectors, state = reader.perceive(part(segment, start, stop), state)
            hidden.append(vectors)
    return torch.cat(hidden, 1), state


@pytest.mark.parametrize("cuts", [[16, 32, 48, 64], [5, 64], [1, 2, 63, 64]])
def test_cut_anywhere_is_one_stream(reader: StreamReader, cuts: list[int]) -> None:
    segment = make_segment(1)
    whole, end = fed(reader, segment, [64])
    pieces, end_cut = fed(reader, segment, cuts)
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=1e-5)
    assert end_cut.segment.tolist() == [len(cuts)] * 2
    for name in set(end.flat()) - {"segment"}:
        torch.testing.assert_close(end_cut.flat()[name], end.flat()[name], atol=1e-5, rtol=1e-5)


def test_state_is_of_constant_size(reader: StreamReader) -> None:
    state = reader.initial_state(2)
    shapes = {k: v.shape for k, v in state.flat().items()}
    with torch.no_grad():
        for t in range(4):
            _, state = reader.step(make_segment(t), state, make_questions(t))
            assert {k: v.shape for k, v in state.flat().items()} == shapes
    assert state.position.tolist() == [256, 256]
    back = reader.initial_state(2).filled(state.flat())
    assert all(torch.equal(back.flat()[k], v) for k, v in state.flat().items())


def test_questions_do_not_change_the_stream(reader: StreamReader) -> None:
    with torch.no_grad():
        asked, after = reader.step(make_segment(1), reader.initial_state(2), make_questions(1))
        alone, after_alone = reader.step(make_segment(1), reader.initial_state(2))
    assert torch.equal(asked.nats, alone.nats) and alone.answers is None
    assert all(torch.equal(after.flat()[k], v) for k, v in after_alone.flat().items())


def continued(reader: StreamReader, segment: Segment, ids: list[int], b: int) -> Tensor:
    """Logits (id, vocab) after each of ``ids`` where they simply stand in the stream of sequence ``b``, after the segment."""
    n = len(ids)
    text = Segment(
        torch.full((1, n), int(Modality.TEXT)), torch.tensor([ids]), torch.zeros(1, n, PAYLOAD_WIDTH),
        torch.ones(1, n, dtype=torch.bool),
    )  # fmt: skip
    own = segment.map(lambda x: x[b : b + 1])
    whole = Segment(*(torch.cat((getattr(own, k), getattr(text, k)), 1) for k in own.__dataclass_fields__))
    hidden, _ = fed(reader, whole, [whole.token.shape[1]])
    return reader.logits_of(hidden[0, -n:])


def test_an_answer_goes_on_from_the_stream(reader: StreamReader) -> None:
    """Of several questions of unequal length, each is answered as if it alone stood in the stream; also word by word."""
    segment, questions = make_segment(5), make_questions(5)
    questions.token[0, 1, 4:] = PAD
    questions.answer[1, 0, 1:] = torch.tensor([EOS, PAD])
    with torch.no_grad():
        _, state = reader.perceive(segment, reader.initial_state(2))
        logits = reader.answer_logits(questions, state)
        answers = reader.answer(questions, state)
        for b in range(2):
            for q in range(2):
                asked = [i for i in questions.token[b, q].tolist() if i != PAD]
                wanted = [i for i in questions.answer[b, q].tolist() if i != PAD]
                expected = continued(reader, segment, [*asked, BOS, *wanted[:-1]], b)[len(asked) :]
                torch.testing.assert_close(logits[b, q, : len(wanted)], expected, atol=1e-4, rtol=1e-4)
                loss = torch.nn.functional.cross_entropy(expected, torch.tensor(wanted))
                torch.testing.assert_close(answers.loss[b, q], loss, atol=1e-4, rtol=1e-4)
                said: list[int] = []
                while len(said) < reader.cfg.max_answer and EOS not in said:
                    said.append(int(continued(reader, segment, [*asked, BOS, *said], b)[-1].argmax()))
                assert answers.token[b, q].tolist()[: len(said)] == said


def test_padding_of_questions_changes_nothing(reader: StreamReader) -> None:
    segment, questions = make_segment(6), make_questions(6)
    nothing = torch.full((2, 2, 5), PAD)
    answer = torch.cat((questions.answer, nothing), -1)
    padded = [
        Questions(torch.cat(tokens, -1), answer, questions.valid)
        for tokens in ([questions.token, nothing], [nothing, questions.token])
    ]
    with torch.no_grad():
        _, state = reader.perceive(segment, reader.initial_state(2))
        plain = reader.answer(questions, state)
        for other in (reader.answer(p, state) for p in padded):
            torch.testing.assert_close(other.loss, plain.loss, atol=1e-5, rtol=1e-5)
            assert torch.equal(other.token, plain.token)


def test_padding_of_a_segment_changes_nothing(reader: StreamReader) -> None:
    """Streams of unequal length run side by side as they run alone, and are answered alike."""
    segment = make_segment(7)
    valid = segment.valid.clone()
    valid[0, 20:] = False
    padded = Segment(segment.modality, segment.token, segment.payload, valid)
    with torch.no_grad():
        _, state = reader.perceive(padded, reader.initial_state(2))
        beside, after = reader.step(make_segment(8), state, make_questions(8))
        _, state = reader.perceive(part(segment, 0, 20).map(lambda x: x[:1]), reader.initial_state(1))
        alone, after_alone = reader.step(
            make_segment(8).map(lambda x: x[:1]), state, make_questions(8).map(lambda x: x[:1])
        )
    torch.testing.assert_close(beside.nats[:1], alone.nats, atol=1e-5, rtol=1e-5)
    assert beside.answers is not None and alone.answers is not None
    torch.testing.assert_close(beside.answers.loss[:1], alone.answers.loss, atol=1e-5, rtol=1e-5)
    for name, tensor in after_alone.flat().items():
        torch.testing.assert_close(after.flat()[name][:1], tensor, atol=1e-5, rtol=1e-5)


def test_right_answers_are_counted(reader: StreamReader) -> None:
    questions = make_questions(9)
    with torch.no_grad():
        _, state = reader.perceive(make_segment(9), reader.initial_state(2))
        said = reader.answer(questions, state).token
        echoed = said.clone()
        echoed[0, 0, 0] += 1
        valid = torch.tensor([[True, True], [True, False]])
        again = reader.answer(Questions(questions.token, echoed, valid), state)
    assert again.correct.tolist() == [[False, True], [True, False]]


def test_run_answers_what_is_asked(reader: StreamReader) -> None:
    stream = Stream("s").text("The mill was old. " * 20).question("Was it?", "yes").text("And so on. " * 30)
    results = list(run(reader, [stream.encode(default_tokenizer())]))
    answered = [r for r in results if r.outputs.answers is not None]
    assert len(answered) == 1 and [q.answer for q in answered[0].asked[0]] == ["yes"]
    assert reader.policy_name == "none" and all(torch.isfinite(r.outputs.nats).all() for r in results)


def test_bfloat16_autocast_trains(reader: StreamReader) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        outputs, state = reader.step(make_segment(0), reader.initial_state(2), make_questions(0))
        outputs, state = reader.step(make_segment(1), state, make_questions(1))
    assert outputs.answers is not None
    (outputs.nats.mean() + outputs.answers.loss.mean()).backward()
    gradients = {name: p.grad for name, p in reader.named_parameters()}
    silent = [name for name, g in gradients.items() if g is None or not torch.isfinite(g).all() or not g.any()]
    assert not silent
    assert all(x.dtype == torch.float32 for pair in state.blocks for x in pair)


def test_equal_config_is_of_the_memory_models_size() -> None:
    wanted = sum(p.numel() for p in MemoryModel(ModelConfig()).parameters())
    for kind in ("attention", "ssm"):
        for n_layers in (2, 4):
            cfg = equal_config(kind, wanted, n_layers=n_layers)
            made = sum(p.numel() for p in StreamReader(cfg).parameters())
            assert abs(made - wanted) <= 0.05 * wanted and cfg.n_layers == n_layers and cfg.d_model % 32 == 0


def test_equal_config_refuses() -> None:
    with pytest.raises(ConfigError, match="within 5%: the nearest has"):
        equal_config("ssm", 1000)
    with pytest.raises(ConfigError, match="unknown key 'windoww'; closest: window"):
        equal_config("attention", 1_000_000, windoww=3)
    with pytest.raises(ConfigError, match="d_model is what is chosen"):
        equal_config("attention", 1_000_000, d_model=64)
    with pytest.raises(ConfigError, match="d_model is 100, expected a multiple of 2 n_heads"):
        BaselineConfig.parse({"kind": "attention", "d_model": 100})


def test_saved_and_loaded(reader: StreamReader, tmp_path) -> None:
    folder = tmp_path / "m"
    save_model(reader, folder)
    loaded = load_model(folder)
    assert isinstance(loaded, StreamReader)
    assert loaded.cfg == reader.cfg and loaded.name == "small" and len(loaded.sha256) == 64
    for name, tensor in reader.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


def test_a_baseline_has_no_memory(reader: StreamReader, tmp_path) -> None:
    folder = tmp_path / "m"
    save_model(reader, folder)
    calls = (
        lambda: load_model(folder, policy="fifo"),
        lambda: load_memory_model(folder),
        lambda: load_config(folder),
        lambda: record(folder, "builtin", tmp_path / "r"),
    )
    for call in calls:
        with pytest.raises(ModelError, match="is a baseline; it has no memory to record"):
            call()
    assert not (tmp_path / "r").exists()
