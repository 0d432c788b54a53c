"""What studies of recall share: the order of questions, seeds apart, resized models, intervals."""

import numpy as np
import pytest
import torch

from analyses.common import recall
from memlens.errors import AnalysisError, ConfigError
from memlens.model import MemoryModel, run


def test_recall_is_that_of_a_run_in_the_order_of_the_questions(model: MemoryModel) -> None:
    streams = recall.make_streams(model.tokenizer, "needle", (3, 4), n_token=300, n_fact=4)
    streams[1] = recall.make_streams(model.tokenizer, "needle", (4,), n_token=600, n_fact=3)[0]
    said = {"correct": [[], []], "loss": [[], []]}
    for result in run(model, streams, predict=False):
        for b, asked in enumerate(result.asked):
            for i in range(len(asked)):
                said["correct"][b].append(bool(result.outputs.answers.correct[b, i]))
                said["loss"][b].append(float(result.outputs.answers.loss[b, i]))
    found = recall.recall(model, streams, {"all": []})["all"]
    assert found["correct"] == "".join("01"[right] for right in said["correct"][0] + said["correct"][1])
    assert found["loss"] == pytest.approx(np.mean(said["loss"][0] + said["loss"][1]), abs=1e-4)
    known = recall.about(streams)
    assert known["distance"] == [q.distance for stream in streams for q in stream.questions]
    assert len(known["depth"]) == 7 and all(0 <= depth < 1 for depth in known["depth"])
    nothing = recall.make_streams(model.tokenizer, "needle", (3,), n_token=300, n_fact=0)
    with pytest.raises(AnalysisError, match="ask nothing"):
        recall.recall(model, nothing, {"all": []})


def test_streams_of_seeds_are_apart() -> None:
    every = [seed for own in range(5) for seed in recall.seeds_of(own, 4)]
    assert len(set(every)) == len(every) == 20


def test_resized_models_have_the_same_weights(model: MemoryModel) -> None:
    other = recall.resized(model, n_slots=4, capacities=(3, 2, 2), event_threshold=-1.0)
    assert (other.cfg.n_slots, other.cfg.capacities) == (4, (3, 2, 2))
    assert all(torch.equal(x, y) for x, y in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(ConfigError, match="would have another shape"):
        recall.resized(model, d_model=64)
    with pytest.raises(ConfigError, match="would have another shape"):
        recall.resized(model, capacities=(3, 2, 2, 2))
    with pytest.raises(ConfigError, match="unknown key 'slots'"):
        recall.resized(model, slots=3)


def test_an_accuracy_is_never_surer_than_its_counts() -> None:
    sure = recall.accuracy([np.ones(20), np.ones(20)])
    assert sure["value"] == sure["high"] == 1 and 0.9 < sure["low"] < 0.95
    apart = recall.accuracy([np.ones(200), np.zeros(200), np.ones(200)])
    assert apart["low"] < 0.4, "seeds that differ widen it"


def test_a_contrast_is_the_difference_of_means() -> None:
    rng = np.random.default_rng(0)
    sides = [[(rng.random(200) < p).astype(float) for _ in range(4)] for p in (0.9, 0.6)]
    found = recall.contrast(*sides)
    assert found["low"] < 0.3 < found["high"] and found["low"] > 0.15
    same = recall.contrast(sides[0], sides[0])
    assert same["low"] < 0 < same["high"]
    with pytest.raises(AnalysisError, match="no seed has questions"):
        recall.contrast([np.array([])], [np.ones(3)])
