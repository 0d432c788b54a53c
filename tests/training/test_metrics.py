"""Figures of a step against slow, independent readings of the same forward pass."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from memlens.config import TaskConfig, TrainConfig
from memlens.dims import Modality
from memlens.training import metrics
from memlens.training.curriculum import Batch
from memlens.training.episodes import EpisodeShape, make_episode
from memlens.training.metrics import loss_metrics, merge_shards, watch
from memlens.training.trainer import Trainer


@pytest.fixture
def trainer(config) -> Trainer:
    return Trainer(TrainConfig.load(config))


def test_merge_weighs_by_count_and_leaves_out_what_there_was_not() -> None:
    parts = [{"exact": (1.0, 4.0), "exact_dna": (0.0, 0.0)}, {"exact": (5.0, 6.0), "loss": (3.0, 1.0)}]
    assert merge_shards(parts) == pytest.approx({"exact": 0.6, "loss": 3.0})


def test_figures_of_hooks(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each figure by a loop over what the model's own hooks give. Two segments, so that working memory is written twice."""
    monkeypatch.setattr(metrics, "EDGE", 0.3)  # where gates of an untrained model lie on both sides
    stage = trainer.config.stages[0]
    batch = Batch(0, stage, EpisodeShape(4, 96, n_segment=2, n_fact=3, n_question=3), carry=False)
    gates, valid, prior = [], [], []
    points = [
        ("working.hook_gate", lambda x, hook: gates.append(x.detach().clone())),
        ("context.hook_prior", lambda x, hook: prior.append(x.detach().clone())),
    ]
    trainer.model.context.register_forward_hook(lambda module, given, out: valid.append(out.valid.clone()))
    with watch(trainer.model) as seen, trainer.model.hooks(points):
        trainer._shard_loss(0, batch, trainer.model.initial_state(4))
    row = merge_shards([seen.metrics()])
    assert len(gates) == len(valid) == len(prior) == 2
    n_slot, saturated, written, mass, writes = 0, 0, 0, 0.0, Counter()
    for t in range(2):
        for b in range(4):
            for k in range(valid[t].shape[1]):
                n_slot += int(valid[t][b, k])
                mass += float(prior[t][b, k].exp()) if valid[t][b, k] else 0.0
            for w in range(gates[t].shape[1]):
                g = float(gates[t][b, w])
                if g < 1:
                    written += 1
                    writes[w] += 1
                    saturated += g < 0.3 or g > 0.7
    assert 0 < saturated < written
    assert row["slots_valid"] == pytest.approx(n_slot / (2 * 4 * 32))
    assert row["importance_mass"] == pytest.approx(mass / n_slot)
    assert row["gate_saturation"] == pytest.approx(saturated / written)
    assert row["working_written"] == pytest.approx(len(writes) / 16)
    entropy = -sum(n / written * math.log(n / written) for n in writes.values())
    assert row["working_effective"] == pytest.approx(math.exp(entropy))


def test_watching_changes_nothing_and_leaves_no_hook(config) -> None:
    settings = TrainConfig.load(config)
    a, b = Trainer(settings), Trainer(settings)
    rows = [(a.memory_step(True), b.memory_step(False)) for _ in range(2)]
    for watched, plain in rows:
        assert plain.items() <= watched.items()
        assert {"gate_saturation", "slots_valid"} <= watched.keys() - plain.keys()
    assert all(
        torch.equal(x, y) for x, y in zip(a.model.state_dict().values(), b.model.state_dict().values(), strict=True)
    )
    assert not any(module._forward_hooks for module in a.model.modules())


def test_gradient_norms_of_the_parts_make_the_whole(trainer: Trainer) -> None:
    row = trainer.memory_step()
    parts = {name: value for name, value in row.items() if name.startswith("gradient_norm_")}
    assert sum(value**2 for value in parts.values()) == pytest.approx(row["gradient_norm"] ** 2, rel=1e-4)
    assert {"gradient_norm_encoders", "gradient_norm_blocks", "gradient_norm_decoder"} <= parts.keys()
    assert "gradient_norm_controller" not in parts


def test_shares_by_modality_and_by_task(trainer: Trainer) -> None:
    """What was answered exactly is planted; the shares are counted question by question."""
    tasks = (TaskConfig(options={"mix": [1, 1, 1, 1]}), TaskConfig(name="motif"), TaskConfig(name="cross", share=1e-9))
    shape = EpisodeShape(12, 96, n_segment=1, n_fact=3, n_question=3)
    episode = make_episode(np.random.default_rng(0), trainer.tokenizer, shape, tasks)
    batch = Batch(0, trainer.config.stages[0], EpisodeShape(4, 96, 1, 3, 3), carry=False)
    _, loss = trainer._shard_loss(0, batch, trainer.model.initial_state(4))
    exact = torch.rand(12, 3, generator=torch.Generator().manual_seed(0)) < 0.5
    loss = replace(loss, exact=exact, modality=episode.modality)
    row = merge_shards([loss_metrics(loss, episode, tasks, has_memory=True)])
    counts: dict[str, list[bool]] = {}
    for b in range(12):
        for q in range(3):
            right, task = bool(exact[b, q]), int(episode.task[b])
            for name in (Modality(int(episode.modality[b, q])).name.lower(), f"{tasks[task].name}_{task}"):
                counts.setdefault(f"exact_{name}", []).append(right)
    assert len(counts) == len(Modality) + 2
    shares = {name: value for name, value in row.items() if name.startswith("exact_")}
    assert shares.pop("exact_first") == shares["exact_needle_0"]
    assert shares == pytest.approx({name: sum(found) / len(found) for name, found in counts.items()})
    assert row["exact"] == pytest.approx(exact.float().mean().item())
