"""Runs take every question and answer whole, or refuse them before anything is run."""

from pathlib import Path

import pytest
import torch

import memlens
from memlens.errors import ModelError, StreamError
from memlens.model import MemoryModel
from memlens.model.run import check_questions, encode_questions, run
from memlens.streams import EncodedStream, Stream

from .conftest import SMALL, make_model

LATE = "one two three four five six seven eight nine ten eleven twelve"


@pytest.fixture(scope="module")
def model() -> MemoryModel:
    return make_model(SMALL)


def asked(model: MemoryModel, question: str, answer: str) -> EncodedStream:
    return Stream("asked").text("It rained. " * 200).question(question, answer).encode(model.tokenizer)


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        (
            "What is it? " + "Please answer. " * 60,
            "472",
            r"question 'What is it\? .*\.\.\.' has \d+ tokens; .* at most 64",
        ),
        ("What is it?", LATE, r"answer 'one two .* has \d+ tokens; the model takes at most 11: shorten it"),
    ],
)
def test_what_would_be_cut_is_refused_before_the_run(
    model: MemoryModel, tmp_path: Path, question: str, answer: str, said: str
) -> None:
    stream = asked(model, question, answer)
    steps = []
    for call in (
        lambda: steps.extend(run(model, [stream])),
        lambda: memlens.record(model, stream, tmp_path / "run"),
        lambda: model(stream),
        lambda: check_questions(model, [stream]),
        lambda: encode_questions(model, [list(stream.questions)]),
    ):
        with pytest.raises(StreamError, match=said):
            call()
    assert not steps
    assert not (tmp_path / "run").exists()


def test_the_longest_question_and_answer_are_taken_whole(model: MemoryModel) -> None:
    tokenizer, cfg = model.tokenizer, model.cfg

    def words(n: int) -> str:
        """Text of ``n`` tokens: a letter repeated."""
        text = " ".join("a" * n)
        assert len(tokenizer.encode(" " + text).ids) == n
        return text

    stream = asked(model, words(cfg.max_question), words(cfg.max_answer - 1))
    check_questions(model, [stream])
    questions = encode_questions(model, [list(stream.questions)])
    assert questions is not None
    assert questions.token.shape == (1, 1, cfg.max_question) and questions.answer.shape == (1, 1, cfg.max_answer)
    for question, answer in ((cfg.max_question + 1, 1), (1, cfg.max_answer)):
        with pytest.raises(StreamError, match="at most"):
            check_questions(model, [asked(model, words(question), words(answer))])


def test_lone_surrogates_in_text_are_refused(model: MemoryModel) -> None:
    for call in (
        lambda: model("a\ud800"),
        lambda: model.to_tokens("a\ud800"),
        lambda: model.to_tokens(["ab", "a\ud800"]),
    ):
        with torch.no_grad(), pytest.raises(ModelError, match=r"character 1 is the lone surrogate U\+D800"):
            call()
