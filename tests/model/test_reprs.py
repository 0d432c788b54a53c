"""Reprs fit a screen and say sizes."""

import pytest
import torch

from memlens.model import StreamReader, save_model
from memlens.model.checkpoint import file_sha256, load_model
from tests.model.conftest import make_questions, make_segment, make_stream
from tests.model.test_baseline import make_reader


def fits_a_screen(text: str) -> bool:
    lines = text.splitlines()
    return len(lines) <= 40 and max(map(len, lines)) <= 100


def test_a_state_names_its_shapes_and_says_where_it_is(model) -> None:
    state = model.initial_state(2)
    with torch.no_grad():
        for t in range(3):
            outputs, state = model.step(make_segment(t), state, make_questions(t))
    said = repr(state)
    n_byte = sum(tensor.nbytes for tensor in state.flat().values())
    assert said.startswith(f"MemoryState of {n_byte:,} bytes\n") and fits_a_screen(said)
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in said.splitlines()[1:]}
    assert lines.keys() == state.flat().keys()
    assert lines["segment"] == "int64 [2] = [3, 3]" and lines["position"] == "int64 [2] = [192, 192]"
    assert lines["working"] == "float32 [2, 4, 32]" and lines["store.content"] == "float32 [2, 12, 32]"
    assert fits_a_screen(repr(outputs)) and "answers.token" in repr(outputs)
    assert fits_a_screen(repr(make_segment(0))) and fits_a_screen(repr(make_questions(0)))


def test_a_result_is_one_line(model) -> None:
    for result in model.run(make_stream()):
        said = repr(result)
        assert "\n" not in said and len(said) < 200
        n_token = int(result.rows[0]["valid"].sum())
        assert said.startswith(f"Result of segment {result.segment}: 1 sequence, {n_token} tokens, ")
        asked = len(result.asked[0])
        assert f", {asked} question{'' if asked == 1 else 's'}; StepOutputs of " in said and "; MemoryState of " in said


def test_a_model_says_its_sizes_and_not_its_modules(model, tmp_path) -> None:
    n_parameter = sum(p.numel() for p in model.parameters())
    said = repr(model)
    assert said.startswith(f"MemoryModel 'small'\n  parameters  {n_parameter:,}\n") and fits_a_screen(said)
    assert "6 + 4 + 2 entries" in said and "not from a folder" in said and said.endswith("learned")
    save_model(model, tmp_path / "m")
    digest = file_sha256(tmp_path / "m" / "model.safetensors")
    assert f"sha256 {digest[:12]}" in repr(load_model(tmp_path / "m", policy="fifo"))


@pytest.mark.parametrize("kind", ["attention", "ssm"])
def test_a_baseline_says_its_kind(kind: str) -> None:
    said = repr(make_reader(kind))
    assert said.startswith(StreamReader.__name__) and f" of {kind}, " in said and fits_a_screen(said)
