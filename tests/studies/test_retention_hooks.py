"""Hooks take away what they say, and nothing else."""

from typing import Any

import pytest
import torch

from analyses.common import recall
from analyses.retention import hooks as taken
from memlens.dims import Action
from memlens.model import MemoryModel, run
from memlens.model.layers import NEVER

from .conftest import TINY


def watched(
    model: MemoryModel, streams: list[Any], hooks: Any, point: str, policy: str | None = None
) -> list[torch.Tensor]:
    """What passes a point, behind the hooks."""
    seen: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor, hook: object) -> None:
        seen.append(tensor.clone())

    recall.recall(model, streams, {"all": []}, during=[*hooks, (point, keep)], policy=policy)
    return seen


def test_what_acts_on_questions_is_the_same_as_in_a_whole_run(model: MemoryModel, streams: list[Any]) -> None:
    conditions = taken.at_questions(model)
    shared = recall.recall(model, streams, conditions)
    losses = set()
    for name, hooks in conditions.items():
        whole = recall.recall(model, streams, {"all": []}, during=hooks)["all"]
        assert shared[name] == whole, name
        losses.add(whole["loss"])
    assert len(losses) == len(conditions), "each changes the answers"
    assert not any(point.fwd_hooks for point in model.hook_dict.values())


@pytest.mark.parametrize(("without", "kind"), [(taken.NO_STORE, 2), (taken.NO_WORKING, 1)])
def test_a_memory_that_is_taken_away_is_not_read(
    model: MemoryModel, streams: list[Any], without: str, kind: int
) -> None:
    shares = {}
    for name in (taken.FULL, without):
        with model.hooks(fwd_hooks=list(taken.at_questions(model)[name])):
            *_, last = run(model, streams, predict=False)
        answers = last.outputs.answers
        assert answers is not None
        shares[name] = float((answers.read_weight * (answers.read_kind == kind)).sum(-1).max())
    assert shares[taken.FULL] > 0.01 and shares[without] < 1e-6


def test_question_memory_is_zero_without_it(model: MemoryModel, streams: list[Any]) -> None:
    [seen] = watched(model, streams, taken.at_questions(model)[taken.NO_QUESTION], "question.hook_slot")
    assert not seen.any()
    [seen] = watched(model, streams, [], "question.hook_slot")
    assert seen.any()


def decisions(model: MemoryModel, streams: list[Any], hooks: Any) -> tuple[int, int]:
    """How many agents were compressed, and how many entries above level 0 are held at the end."""
    compressed, above = 0, 0

    def count(result: Any) -> None:
        nonlocal compressed, above
        compressed += int((result.outputs.decisions.action == Action.COMPRESS).sum())
        above = int(result.state.store.valid[:, TINY.capacities[0] :].sum())

    recall.recall(model, streams, {"all": []}, during=hooks, on_result=count)
    return compressed, above


def test_nothing_is_compressed_without_compression(model: MemoryModel, streams: list[Any]) -> None:
    assert min(decisions(model, streams, [])) > 0
    assert decisions(model, streams, taken.all_along(taken.NO_COMPRESSION, 0)) == (0, 0)
    seen = torch.cat(watched(model, streams, taken.all_along(taken.NO_COMPRESSION, 0), "controller.hook_q"))
    assert bool((seen[..., Action.COMPRESS] == NEVER).all())


def test_importance_is_noise_of_its_seed_without_importance(model: MemoryModel, streams: list[Any]) -> None:
    def scores(seed: int) -> torch.Tensor:
        return torch.cat(watched(model, streams, taken.all_along(taken.NO_IMPORTANCE, seed), "importance.hook_score"))

    first = scores(1)
    assert torch.equal(first, scores(1)) and not torch.equal(first, scores(2))
    assert abs(float(first.mean())) < 0.1 and abs(float(first.std()) - 1) < 0.1
    assert abs(float(torch.corrcoef(torch.stack((first[:-1].flatten(), first[1:].flatten())))[0, 1])) < 0.1


@pytest.mark.parametrize("policy", taken.POLICIES)
def test_a_heuristic_decides_in_the_controllers_place(model: MemoryModel, streams: list[Any], policy: str) -> None:
    seen = torch.cat(watched(model, streams, [], "controller.hook_q", policy))
    assert bool((seen[..., Action.RETRIEVE] == -1).all()) and bool((seen[..., Action.DISCARD] == 0).all())
    assert model.policy_name == "learned"


def test_policies_are_all_there_are() -> None:
    from memlens.model.controller import HEURISTICS

    assert set(taken.POLICIES) == set(HEURISTICS)
