"""The oracle holds what will be asked for, once each, and nothing else; a shuffled state is the same Q for other agents."""

import pytest
import torch

from memlens.model import MemoryModel, run
from memlens.model.context import ContextWriter
from memlens.streams import EncodedStream, Stream, default_tokenizer
from memlens.training.oracle import Oracle, Shuffled, shuffled
from memlens.training.q_phase import with_capacities
from tests.model.conftest import SMALL, make_questions, make_segment


@pytest.fixture
def model() -> MemoryModel:
    torch.manual_seed(0)
    return MemoryModel(SMALL.model_copy(update={"slot_window": 24}), default_tokenizer()).eval()


@pytest.fixture
def stream() -> EncodedStream:
    """Four short facts in prose; the second is asked for early, the first and the third at the end, the fourth never."""
    made = Stream("made")
    filler = " The river runs past the old mill and on to the sea."
    for i in range(4):
        made.text(filler * 4).text(f" The {('kettle', 'lantern', 'mirror', 'saddle')[i]} is {i}.", fact=i)
        if i == 1:
            made.text(filler * 8).question("What is the lantern?", "1", fact=1)
    made.text(filler * 10)
    for i in (2, 0):
        made.question("What is it?", str(i), fact=i)
    return made.encode(default_tokenizer())


def held(model: MemoryModel, stream: EncodedStream, store, fact: int) -> list[tuple[int, int]]:
    """Source spans of the live entries that hold a fact whole."""
    span = stream.facts[fact]
    spans = [(int(a), int(b)) for a, b, v in zip(store.start[0], store.end[0], store.valid[0], strict=True) if v]
    return [(a, b) for a, b in spans if a <= span.start and b >= span.end]


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots at every twelfth position, so that an untrained model covers every fact, most of them twice."""

    def pick(self: ContextWriter, score: torch.Tensor, valid: torch.Tensor, noise: float):
        position = torch.arange(3, score.shape[1], 8).expand(len(score), -1)
        return position, valid.gather(1, position)

    monkeypatch.setattr(ContextWriter, "pick", pick)


@pytest.mark.usefixtures("everywhere")
def test_holds_what_is_still_to_be_asked_for_once_each(model: MemoryModel, stream: EncodedStream) -> None:
    stood = set()
    for result in run(Oracle(model, [stream]), [stream], predict=False):
        store, position = result.state.store, int(result.state.position[0])
        for fact in range(4):
            later = fact != 3 and position < max(q.position for q in stream.questions if q.fact == fact)
            if later and stream.facts[fact].end + 12 <= position:
                assert len(held(model, stream, store, fact)) == 1, fact
                stood.add(fact)
            elif not later:
                assert not held(model, stream, store, fact), fact
        assert int(store.valid.sum()) <= 3
    assert stood == {0, 1, 2}


@pytest.mark.usefixtures("everywhere")
def test_capacities_bind_it(model: MemoryModel, stream: EncodedStream) -> None:
    narrow = with_capacities(model, (2, 2, 2))
    most = [int(result.state.store.valid.sum()) for result in run(Oracle(narrow, [stream]), [stream], predict=False)]
    assert max(most) == 2


def test_shuffling_moves_live_ones_only() -> None:
    generator = torch.Generator().manual_seed(0)
    live = torch.rand(50, 20, generator=generator) < 0.6
    order = shuffled(live, generator)
    here = torch.arange(20).expand_as(order)
    assert torch.equal(order.sort(1).values, here)
    assert torch.equal(order[~live], here[~live])
    assert live.gather(1, order)[live].all()
    assert (order[live] != here[live]).float().mean() > 0.8


def test_a_shuffled_state_is_the_same_q_for_other_agents(model: MemoryModel) -> None:
    segment, questions = make_segment(0), make_questions(0)
    mixed = Shuffled(model)
    with torch.no_grad():
        plain, _ = model.step(segment, model.initial_state(2), questions)
        outputs, _ = mixed.step(segment, mixed.initial_state(2), questions)
    a, b = plain.decisions, outputs.decisions
    live = a.entry >= 0
    # COMPRESS is open to every fresh candidate
    for row in range(2):
        before, after = a.q[row][live[row]][:, 1], b.q[row][live[row]][:, 1]
        assert not torch.equal(before, after)
        torch.testing.assert_close(before.sort().values, after.sort().values)
    assert not any(point.fwd_hooks for point in model.hook_dict.values())
