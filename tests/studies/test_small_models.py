"""What studies of small models share: equal sizes, rivals trained alike, configs that fit."""

import pytest
import torch

from analyses.common import small_models as small
from analyses.generalisation import study as generalisation
from analyses.scaling import study as scaling
from memlens.errors import ConfigError
from memlens.model import MemoryModel
from memlens.streams import default_tokenizer


def test_architectures_have_equal_parameters(config) -> None:
    for made in (config, scaling.rows_of_pairs(config, (1, 1, 1)), generalisation.short_rows(config, (1, 1))):
        found = small.sizes(made)
        assert set(found) == {"memory", "attention", "ssm"}
        for n in found.values():
            assert abs(n - found["memory"]) <= 0.05 * found["memory"]


def test_rivals_are_trained_alike(config) -> None:
    for kind in ("attention", "ssm"):
        rival = small.of_kind(config, kind)
        assert rival.baseline is not None and rival.baseline.kind == kind
        for key in ("steps", "stages", "tasks", "learning_rate", "carry", "seed", "warmup", "weight_decay", "weights"):
            assert getattr(rival, key) == getattr(config, key)
        assert rival.baseline.segment_length == config.model.segment_length
    ssm, attention = (small.of_kind(config, kind).baseline for kind in ("ssm", "attention"))
    assert ssm.ssd_state == 64 and ssm.conv_width == 4
    longest = max(stage.n_token for stage in config.stages)
    assert attention.window > longest + config.model.max_question + config.model.max_answer
    assert small.of_kind(config, "memory") is config


def test_the_config_is_the_claims(config) -> None:
    last = config.stages[-1]
    assert (last.n_token, last.n_fact, config.model.n_slots) == (64, 16, 16)
    assert [task.name for task in config.tasks] == ["mqar"]
    assert config.model.n_slots >= last.n_fact


def test_a_change_that_does_not_fit_is_refused(config) -> None:
    assert small.changed(config, {"n_slots": 4}, steps=7).model.n_slots == 4
    assert small.changed(config, {"n_slots": 4}, steps=7).steps == 7
    with pytest.raises(ConfigError, match="unknown key"):
        small.changed(config, {"n_slot": 4})


def test_every_size_of_the_sweeps_is_a_model(config) -> None:
    rows = scaling.rows_of_pairs(config, (1, 1, 1))
    sizes = [small.parameters(small.changed(rows, {"d_model": width}).model) for width in scaling.WIDTHS]
    assert sizes == sorted(set(sizes)) and sizes[-1] > 2 * sizes[0]
    assert rows.model.n_slots in scaling.SLOTS and rows.model.d_model in scaling.WIDTHS, "the sweeps cross"
    for n_slots in scaling.SLOTS:
        with torch.device("meta"):
            MemoryModel(small.changed(rows, {"n_slots": n_slots}).model)


def test_a_wider_window_changes_no_answer_within_the_old_one(config) -> None:
    rival = small.of_kind(small.changed(config, {"d_model": 32}), "attention").baseline
    assert rival is not None
    from memlens.model.baseline import StreamReader

    torch.manual_seed(0)
    model = StreamReader(rival, default_tokenizer()).eval()
    wide = small.widened(model, 4 * 64)
    assert wide.cfg.window > 4 * 64 > model.cfg.window and small.widened(wide, 64).cfg.window == wide.cfg.window
    one, other = (small.ask(m, 2, 64, 8) for m in (model, wide))
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-5) and one["n"] == 16 == len(one["right"])
