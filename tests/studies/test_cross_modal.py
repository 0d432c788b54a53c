"""Arrangements of memories ask every question once; verdicts follow planted results."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from analyses.common import recall
from analyses.cross_modal import memories
from analyses.cross_modal import study as cross_modal
from analyses.cross_modal import verdict as cross_modal_verdict
from memlens.dims import Modality
from memlens.model import MemoryModel

from .conftest import TINY, check_drawings


def test_each_fact_goes_to_the_memory_of_its_modality(model: MemoryModel) -> None:
    for task, options in (("cross", {}), ("needle", {"mix": cross_modal.EVEN})):
        [stream] = recall.make_streams(model.tokenizer, task, (5,), n_token=600, n_fact=12, **options)
        names = memories.modalities([stream])
        parts = {name: memories.facts_of(stream, name) for name in names}
        asked = [question._replace(position=0) for part in parts.values() for question in part.questions]
        assert sorted(asked) == sorted(question._replace(position=0) for question in stream.questions)
        for part in parts.values():
            assert set(part.fact.tolist()) - {-1} == {question.fact for question in part.questions}
            assert (part.fact == -1).sum() == (stream.fact == -1).sum(), "prose goes to all"
            assert all(question.position == part.n_token for question in part.questions)


def test_split_memories_see_their_own_modality_and_the_text(model: MemoryModel) -> None:
    [stream] = recall.make_streams(model.tokenizer, "cross", (5,), n_token=600, n_fact=12)
    parts = {name: memories.positions_of(stream, name) for name in memories.modalities([stream])}
    assert list(parts) == ["image", "audio", "dna"]
    for name, part in parts.items():
        own = (stream.modality == Modality[name.upper()]).sum()
        assert set(part.modality.tolist()) == {Modality.TEXT, Modality[name.upper()]}
        assert (part.modality == Modality[name.upper()]).sum() == own > 0
        there = stream.modality == Modality[name.upper()]
        assert np.array_equal(part.payload_row[part.payload_row >= 0], stream.payload_row[there]), (
            "with its own payload"
        )


def test_arrangements_ask_every_question_in_the_same_order(model: MemoryModel) -> None:
    """A model that says one thing to everything is right at the same questions in every arrangement."""
    from memlens.streams.tokenizer import encode_answer

    streams = recall.make_streams(model.tokenizer, "cross", (5, 6), n_token=300, n_fact=12)
    answers = [question.answer for stream in streams for question in stream.questions]
    usual = max(answers, key=answers.count)
    wanted = encode_answer(model.tokenizer, usual)

    def say(logits: torch.Tensor, hook: object) -> torch.Tensor:
        said = logits.clone()
        for i, token in enumerate(wanted[: said.shape[-2]]):
            said[..., i, token] += 1e4
        return said

    model.decoder.hook_logits.add_perma_hook(say)
    expected = "".join("01"[answer == usual] for answer in answers)
    assert 0 < expected.count("1") < len(expected) == 24
    names = memories.modalities(streams)
    assert recall.recall(model, streams, {"all": []})["all"]["correct"] == expected
    assert memories.recall_apart(model, streams, names)["correct"] == expected
    assert memories.recall_split(model, streams, names)["correct"] == expected


def test_stores_are_divided_upwards(model: MemoryModel) -> None:
    assert memories.divided((128, 32, 8), 1) == [128, 32, 8]
    assert memories.divided((128, 32, 8), 3) == [43, 11, 3]
    assert memories.divided((128, 32, 8), 16) == [8, 2, 2], "a level holds at least two"
    for name, by in cross_modal.STORES.items():
        whole = memories.divided(TINY.capacities, by)
        for n in (3, 4):
            assert n * sum(memories.divided(whole, n)) >= sum(whole), name


def cross_result(accuracy: Callable[[str, str, str], float]) -> dict[str, Any]:
    """A result whose answers are right at these odds of (case, arrangement, kind of question)."""
    rng = np.random.default_rng(0)
    every = cross_modal.cases(quick=True)
    rows = []
    for case in every:
        for seed in (0, 1, 2):
            kinds = ["audio to image", "dna to audio"] if case.task == "cross" else ["text", "image"]
            kind = [kinds[i % 2] for i in range(400)]
            key = {"case": case.name, "store": case.store, "seed": seed}
            rows.append({**key, "arrangement": "what is asked", "distance": [0] * 400, "group": kind, "modality": kind})
            for name in case.arrangements:
                odds = np.array([accuracy(case.name, name, each) for each in kind])
                rows.append({**key, "arrangement": name, "answers": recall.noted(rng.uniform(size=400) < odds, [0.0])})
    return {"summary": cross_modal.summarise(rows, every), "provenance": {"seeds": [0, 1, 2]}}


@pytest.mark.parametrize(
    ("accuracy", "status"),
    [
        (lambda case, name, kind: 1.0, "holds"),
        (lambda case, name, kind: 0.93 if kind.startswith("dna") else 0.99, "holds under conditions"),
        (lambda case, name, kind: 0.98 if name == "together" or case == "pairs" else 1.0, "holds under conditions"),
        (lambda case, name, kind: 0.9, "does not hold"),
    ],
)
def test_cross_modal_verdicts(accuracy: Any, status: str) -> None:
    result = cross_result(accuracy)
    verdict = cross_modal_verdict.verdict(result)
    assert verdict.status == status
    assert len(verdict.tables[0].rows) == len(cross_modal.cases(quick=True))


def test_cross_modal_is_drawn_from_its_result() -> None:
    check_drawings(cross_modal.CLAIM, cross_result(lambda case, name, kind: 0.9))
