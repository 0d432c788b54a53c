"""The curriculum: when a stage is left, what batches are drawn, and what does not count."""

from collections import Counter

import numpy as np
import pytest

from memlens.config import StageConfig, TrainConfig
from memlens.errors import ConfigError
from memlens.training.curriculum import Curriculum

STAGES = (
    StageConfig(n_row=8, n_token=64, n_fact=4, until=0.5, at_least=10),
    StageConfig(n_row=4, n_token=128, n_segment=2, n_fact=8, until=0.0, at_least=5),
    StageConfig(n_row=4, n_token=256, n_fact=24, until=0.0, sparse=True),
)


def test_a_stage_ends_when_it_goes_well_and_has_lasted() -> None:
    curriculum = Curriculum(TrainConfig(stages=STAGES))
    left = []
    for step in range(100):
        before = curriculum.stage
        curriculum.learn(curriculum.draw(np.random.default_rng(step)), 1.0)
        if curriculum.stage > before:
            left.append(step + 1)
            assert curriculum.accuracy == 0 and curriculum.stage_step == 0
    # 1 - 0.97^n passes 0.5 at n = 23
    assert left == [23, 23 + 5]
    assert curriculum.stage == 2


def test_a_stage_that_goes_badly_lasts() -> None:
    curriculum = Curriculum(TrainConfig(stages=STAGES))
    for step in range(200):
        curriculum.learn(curriculum.draw(np.random.default_rng(step)), [0.4, None][step % 2])
    assert curriculum.stage == 0 and curriculum.stage_step == 200
    assert curriculum.accuracy == pytest.approx(0.4, abs=0.03)


def test_batches_of_earlier_stages_are_mixed_in_and_do_not_count() -> None:
    curriculum = Curriculum(TrainConfig(stages=STAGES, mixed=0.4), stage=2)
    drawn = Counter()
    for step in range(1000):
        batch = curriculum.draw(np.random.default_rng(step))
        drawn[batch.number] += 1
        assert batch.stage == STAGES[batch.number]
        if batch.number < 2:
            curriculum.learn(batch, 1.0)
    assert curriculum.accuracy == 0 and curriculum.stage_step == 0
    # four standard errors
    assert drawn[0] == pytest.approx(200, abs=4 * (1000 * 0.2 * 0.8) ** 0.5)
    assert drawn[1] == pytest.approx(200, abs=4 * (1000 * 0.2 * 0.8) ** 0.5)


def test_shapes() -> None:
    c = TrainConfig(stages=STAGES, shards=2, two_segments=0.5, carry=0.25)
    second = Curriculum(c, stage=1).draw(np.random.default_rng(0)).shape
    assert (second.n_row, second.n_token, second.n_segment, second.n_fact) == (2, 128, 2, 8)
    batches = [Curriculum(c, stage=2).draw(np.random.default_rng(seed)) for seed in range(400)]
    shapes = [batch.shape for batch in batches]
    assert {s.n_fact for s in shapes} == set(range(3, 25))
    # log-uniform: as many below the geometric mean as above
    assert np.mean([s.n_fact < (3 * 24) ** 0.5 for s in shapes]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([s.n_segment == 2 for s in shapes]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([batch.carry for batch in batches]) == pytest.approx(0.25, abs=0.09)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shards": 3}, r"stages\.0\.n_row is 16, expected a multiple of shards, 3"),
        ({"stages": [{"n_token": 100, "n_segment": 3}]}, "n_token is 100, expected a multiple of the 3 segments"),
        ({"stages": [{"n_token": 511, "sparse": True}]}, "n_token is 511, expected a multiple of the 2 segments"),
        ({"stages": [{"n_rows": 4}]}, r"unknown key 'stages\.0\.n_rows'; closest: n_row"),
        ({"alternations": 11}, "alternations is 11 and last_share 0.1: nothing is left"),
        ({"baseline": {"kind": "ssm"}, "q": {"rounds": 3}}, "a baseline has no memory and no Q phases; leave out q"),
        ({"baseline": {"kind": "ssm", "layers": 3}}, r"unknown key 'baseline\.layers'; closest: n_layers"),
    ],
)
def test_configs_that_do_not_fit_together(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.parse(values)


def test_a_saved_config_can_be_read_again() -> None:
    config = TrainConfig.parse({"stages": [{"n_row": 8}], "baseline": {"kind": "ssm"}, "tasks": [{"name": "motif"}]})
    assert TrainConfig.parse(config.model_dump(mode="json")) == config


def test_a_stage_ends_when_its_time_is_up() -> None:
    stages = (STAGES[0].model_copy(update={"at_most": 30}), *STAGES[1:])
    curriculum = Curriculum(TrainConfig(stages=stages))
    for step in range(30):
        assert curriculum.stage == 0
        curriculum.learn(curriculum.draw(np.random.default_rng(step)), 0.0)
    assert curriculum.stage == 1 and curriculum.stage_step == 0
