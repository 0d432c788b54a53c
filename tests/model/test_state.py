"""States are values: of constant size, cloned, moved, and a run goes on from any of them."""

import torch

from memlens.model import run
from memlens.streams import Stream, default_tokenizer
from tests.model.conftest import make_questions, make_segment
from tests.model.test_points import same


def test_state_is_of_constant_size_and_replays(model) -> None:
    with torch.no_grad():
        state = model.initial_state(2)
        shapes = {k: v.shape for k, v in state.flat().items()}
        states = []
        for t in range(6):
            states.append(state.clone())
            _, state = model.step(make_segment(t), state, make_questions(t))
            assert {k: v.shape for k, v in state.flat().items()} == shapes
        again = states[3]
        for t in range(3, 6):
            _, again = model.step(make_segment(t), again, make_questions(t))
    assert all(same(a, b) for a, b in zip(state.flat().values(), again.flat().values(), strict=True))


def test_flat_and_filled_are_inverse(model) -> None:
    state = model.initial_state(1)
    named = {k: v + 1 if v.is_floating_point() else v for k, v in state.flat().items()}
    back = state.filled(named).flat()
    assert back.keys() == named.keys() and all(torch.equal(back[k], named[k]) for k in named)


def test_batched_streams_are_independent(model) -> None:
    """A sequence yields the same alone and beside another."""
    both, other = make_segment(5), make_segment(6)
    with torch.no_grad():
        alone, _ = model.step(both.map(lambda x: x[:1]), model.initial_state(1))
        mixed = both.map(lambda x: x.clone())
        for name in ("modality", "token", "payload"):
            getattr(mixed, name)[1] = getattr(other, name)[1]
        beside, _ = model.step(mixed, model.initial_state(2))
    torch.testing.assert_close(alone.slot[0], beside.slot[0], atol=1e-5, rtol=1e-5)
    assert torch.equal(alone.births.position[0], beside.births.position[0])


def test_run_answers_what_is_asked(model) -> None:
    stream = Stream("s").text("The mill was old. " * 20).question("Was it?", "yes").text("And so on. " * 30)
    results = list(run(model, [stream.encode(default_tokenizer())]))
    answered = [r for r in results if r.outputs.answers is not None]
    assert len(answered) == 1 and [q.answer for q in answered[0].asked[0]] == ["yes"]
    assert answered[0].outputs.answers is not None
    torch.testing.assert_close(answered[0].outputs.answers.read_weight.sum(-1), torch.ones(1, 1))


def test_bfloat16_autocast_runs(model) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        outputs, state = model.step(make_segment(0), model.initial_state(2), make_questions(0))
    assert torch.isfinite(outputs.nats).all() and torch.isfinite(state.working).all()
