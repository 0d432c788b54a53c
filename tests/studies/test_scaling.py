"""Power laws are found again in known data; scaling is judged by its residuals."""

import numpy as np
import pytest

from analyses.scaling import study as scaling


def test_a_power_law_is_found_again() -> None:
    x = np.array([1e4, 3e4, 1e5, 3e5, 1e6])
    found = scaling.power_law(x, 2.0 * (x / 1e4) ** -0.5 + 0.3)
    assert (found["a"], found["b"], found["c"]) == pytest.approx((2.0, 0.5, 0.3), rel=1e-3)
    assert found["r2"] > 0.9999 and found["missed"] < 1e-3


def test_what_is_no_power_law_is_seen_by_its_residuals() -> None:
    x = [2, 4, 8, 16, 32]
    straight = [1 - k / 32 for k in x]
    found = scaling.power_law(x, straight)
    assert found["missed"] > scaling.MOST_MISSED
    assert scaling.coverage_law(x, straight, 32)["r"] == pytest.approx(1.0, abs=1e-3)
    assert scaling.coverage_law(x, straight, 32)["r2"] > 0.9999


def swept(sweep: str, loss) -> list[dict]:
    rng = np.random.default_rng(0)
    points = scaling.SLOTS if sweep == "slots" else scaling.WIDTHS
    accuracy = dict.fromkeys(map(str, scaling.PAIRS), 0.5)
    return [
        {"slots": p, "parameters": 100 * p, "seed": s, "loss": loss(p) * (1 + 0.01 * rng.normal()), "accuracy": accuracy}
        for p in points
        for s in range(3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("over_slots", "over_width", "status"),
    [
        (lambda k: 3 * k**-0.7 + 0.2, lambda w: 9 * w**-0.5, "holds"),
        (lambda k: 3.2 - 0.045 * k, lambda w: 9 * w**-0.5, "holds under conditions"),
        (lambda k: 3.2 - 0.045 * k, lambda w: 2 + (w == 32), "does not hold"),
    ],
)
def test_scaling_is_judged_by_its_residuals(over_slots, over_width, status: str) -> None:
    summary = {s: scaling.law(s, swept(s, f)) for s, f in zip(scaling.SWEEPS, (over_slots, over_width), strict=True)}
    result = {"summary": summary | {"grid": scaling.grid(cells())}}
    said = scaling.verdict(result)
    assert said.status == status
    assert len(said.tables) == 3 and len(said.tables[2].rows) == len(scaling.SLOTS)
    assert "recall is 1.000 or more" in " ".join(said.sentences) and "in 0 of 10 cells" in " ".join(said.sentences)


def cells() -> list[dict]:
    return [
        {"slots": n, "seed": s, "accuracy": {str(p): min(1.0, n / p) for p in scaling.PAIRS}}
        for n in scaling.SLOTS
        for s in range(3)
    ]


def test_the_grid_has_every_number_of_slots_and_pairs() -> None:
    found = scaling.grid(cells())
    assert len(found) == len(scaling.SLOTS) * len(scaling.PAIRS)
    assert next(c for c in found if (c["slots"], c["pairs"]) == (8, 32))["value"] == 0.25
