import numpy as np

from memlens.stats.paired_effects import paired_effects


def test_nothing_is_found_at_the_stated_rate_and_intervals_cover():
    found, covered = 0, 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        unit = np.repeat(np.arange(12), 2)
        shared = random.normal(size=12)[unit]
        effect = (shared + random.normal(size=24))[:, None]
        null = (random.normal(size=12)[unit] + random.normal(size=24))[:, None]
        one = paired_effects(effect, null, unit, seed, draws=199)
        found += one["p"][0] <= 0.05
        covered += one["low"][0] <= 0 <= one["high"][0]
    assert found <= 20
    assert covered >= 170


def test_an_effect_is_found_and_its_null_is_beside_it():
    effect, null = np.full((10, 1), 2.0), np.zeros((10, 1))
    one = paired_effects(effect, null, np.arange(10), 0)
    assert one["mean"] == 2 == one["low"] and one["null_mean"] == 0 and one["p"] < 0.01 and one["n"] == 10


def test_questions_without_a_null_are_not_compared():
    effect = np.array([[1.0], [np.nan], [3.0]])
    one = paired_effects(effect, np.array([[0.0], [0.0], [np.nan]]), np.arange(3), 0)
    assert one["n"] == 1 and one["mean"] == 2 and np.isnan(one["p"])
    nothing = paired_effects(np.full((3, 1), np.nan), np.zeros((3, 1)), np.arange(3), 0)
    assert np.isnan(nothing["mean"]) and np.isnan(nothing["p"])
