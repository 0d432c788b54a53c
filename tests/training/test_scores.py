"""Scores of planted rows are those worked out by hand; intervals cover the truth as often as they say."""

import pytest

from memlens.training import scores
from memlens.training.scores import Answered


def row(answer: str = "a", predicted: str = "a", **about) -> Answered:
    plain = {
        "policy": "learned", "seed": 0, "number": 0, "modality": "text", "distance": 100, "depth": 0.05, "group": "",
        "correct": answer == predicted, "loss": 1.0,
    }  # fmt: skip
    return Answered(**{**plain, "answer": answer, "predicted": predicted, **about})


def test_macro_scores_are_those_of_a_hand_computation() -> None:
    said = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("b", "x"), ("c", "a")]
    got = scores.classification([row(answer, predicted) for answer, predicted in said])
    # a: 2 of 3 said are right, 2 of 3 found; b: 1 of 2, 1 of 2; c: never said; x is no class
    assert got["precision"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3, abs=1e-6)
    assert got["recall"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3, abs=1e-6)
    f1_a, f1_b = 2 * 2 / (3 + 3), 2 * 1 / (2 + 2)
    assert got["f1"] == pytest.approx((f1_a + f1_b + 0) / 3, abs=1e-6)
    more = scores.classification([row("a", "a"), row("a", "b"), row("a", "b"), row("b", "b")])
    assert more["precision"] == pytest.approx((1 + 1 / 3) / 2, abs=1e-6)
    assert more["recall"] == pytest.approx((1 / 3 + 1) / 2, abs=1e-6)


def test_many_classes_that_occur_once() -> None:
    rows = [row(str(i), str(i) if i < 20 else "") for i in range(30)]
    assert scores.classification(rows)["f1"] == pytest.approx(20 / 30, abs=1e-6)


def test_accuracy_loss_and_intervals() -> None:
    rows = [row("a", "a" if i < 6 else "b", loss=float(i)) for i in range(8)]
    got = scores.score(rows)
    assert (got["n"], got["accuracy"], got["loss"]) == (8, 0.75, 3.5)
    assert 0 < got["low"] < 0.75 < got["high"] <= 1
    assert 0 < got["loss_low"] < 3.5 < got["loss_high"] < 7
    assert got == scores.score(rows), "the bootstrap is seeded"
    none = scores.score([row("a", "b")] * 10)
    assert (none["low"], none["high"], none["wilson_low"]) == (0, 0, 0)
    # z^2 / (n + z^2) with z = 1.96: the upper end of Wilson's interval where nothing is right
    assert none["wilson_high"] == pytest.approx(1.959964**2 / (10 + 1.959964**2), abs=1e-5)


def test_streams_are_resampled_too() -> None:
    """Two streams of which one is all right and one all wrong say little, however many questions they ask."""
    rows = [row("a", "a" if seed else "b", seed=seed, number=i) for seed in range(2) for i in range(500)]
    apart, pooled = scores.score(rows), scores.score([row("a", r.predicted) for r in rows])
    assert (apart["low"], apart["high"]) == (0, 1)
    assert pooled["high"] - pooled["low"] < 0.1


def test_behind_is_paired() -> None:
    first = [row("a", "a", number=i, loss=1.0) for i in range(40)]
    # found in another order, and worse in every fourth question
    second = [row("a", "b" if i % 4 == 0 else "a", number=i, loss=1.5) for i in reversed(range(40))]
    lost = scores.behind(first, second)
    assert [lost[name] for name in ("accuracy", "loss", "loss_low", "loss_high")] == pytest.approx(
        [0.25, 0.5, 0.5, 0.5], abs=1e-6
    )
    assert 0 < lost["low"] < 0.25 < lost["high"]
    assert scores.behind(second, first)["accuracy"] == pytest.approx(-0.25, abs=1e-6)
    assert scores.behind(first, first)["high"] == 0


def test_distance_bins() -> None:
    assert scores.distance_edges(100_000) == [0, 512, 2048, 8192, 32768]
    assert scores.distance_edges(300) == [0]
    rows = [row(distance=d) for d in (0, 511, 512, 2047, 2048, 40_000, 90_000, -1)]
    bins = scores.by_distance(rows, 100_000)
    assert [(b["distance_low"], b["distance_high"], b["n"]) for b in bins] == [
        (0, 512, 2), (512, 2048, 2), (2048, 8192, 1), (32768, None, 2),
    ]  # fmt: skip


def test_depth_modality_and_group() -> None:
    rows = [row(depth=d) for d in (0.0, 0.099, 0.1, 0.95, 1.0, -1.0)]
    assert [(b["depth_low"], b["depth_high"], b["n"]) for b in scores.by_depth(rows)] == [
        (0.0, 0.1, 2), (0.1, 0.2, 1), (0.9, 1.0, 2),
    ]  # fmt: skip
    rows = [row(modality=m) for m in ("dna", "text", "unknown", "dna", "audio")]
    assert [(b["modality"], b["n"]) for b in scores.by_modality(rows)] == [
        ("text", 1), ("audio", 1), ("dna", 2), ("unknown", 1),
    ]  # fmt: skip
    rows = [row("a", "a" if g else "b", group=g) for g in ("", "rewritten", "")]
    assert [(b["group"], b["n"], b["accuracy"]) for b in scores.by_group(rows)] == [("", 2, 0.0), ("rewritten", 1, 1.0)]
