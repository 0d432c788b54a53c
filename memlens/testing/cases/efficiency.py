"""Cases of what runs cost."""

from typing import Any

import xarray as xr

from memlens.recording import Recording
from memlens.testing.cases.models import on_disk
from memlens.testing.efficiency import counted_run, planted_times
from memlens.testing.grading import Case, Verdict
from memlens.testing.write import write_recording


def _counted(seed: int) -> Recording:
    """A run of a model of random weights, its FLOPs counted by torch on the same run."""
    return on_disk(lambda path: counted_run(path, seed=seed))


def _steady(seed: int) -> Recording:
    """Steps of 20 ms in the median, under a load that comes and goes."""
    return planted_times(None, seed=seed)


def _slowing(seed: int) -> Recording:
    """The same, with steps that take three times as long in the end as at the start."""
    return planted_times(None, growth=1.0, seed=seed)


def _no_model(seed: int) -> Recording:
    """A recording that does not know the sizes of its model."""
    return write_recording(None, n_segment=30)


def _judge_counted(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    flops, parameters = float(found["flops"].sum()), float(found["parameters"].sum())
    numbers = {"FLOPs": flops, "by torch": float(truth["flops"]), "parameters off": parameters - truth["parameters"]}
    return Verdict(flops == truth["flops"] and parameters == truth["parameters"], numbers)


def _judge_steps(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    """The planted median is inside of four half-widths of the interval."""
    own = found.sel(step="all")
    median, low, high = (float(own[name]) for name in ("seconds", "seconds_low", "seconds_high"))
    off = abs(median - truth["seconds"]) / ((high - low) / 2)
    return Verdict(
        off < 4 and abs(median / truth["seconds"] - 1) < 0.25, {"median (s)": median, "half-widths off": off}
    )


def _judge_slowing(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p, trend = float(found["trend_p"]), float(found["trend"])
    return Verdict(p <= 0.05 and trend > 0.5, {"p": p, "trend": trend})


def _no_trend(found: xr.Dataset, truth: dict[str, Any]) -> Verdict:
    p = float(found["trend_p"])
    return Verdict(p > 0.05, {"p": p, "trend": float(found["trend"])})


CASES = (
    Case("a run under torch's counter", "efficiency", "positive", "FLOPs and parameters exact", _counted, _judge_counted, costly=True),
    Case("steps of 20 ms", "efficiency", "positive", "the median within 25 % and 4 half-widths of its interval", _steady, _judge_steps),
    Case("slower and slower", "efficiency", "positive", "a trend above 0.5, p <= 0.05", _slowing, _judge_slowing),
    Case("a load that comes and goes", "efficiency", "negative", "no trend (p > 0.05)", _steady, _no_trend),
    Case("no sizes", "efficiency", "refusal", "an error", _no_model),
)  # fmt: skip
