"""Kept summaries are those of the kept rows, by the code as it is."""

from collections.abc import Callable
from typing import Any

import pytest

from analyses.common.results import kept, plain
from analyses.controller import verdict as controller
from analyses.cross_modal import study as cross_modal
from analyses.generalisation import study as generalisation
from analyses.mqar import study as mqar
from analyses.rate_distortion import verdict as rate_distortion
from analyses.recording_cost import verdict as recording_cost
from analyses.retention import summary as retention
from analyses.scaling import study as scaling
from analyses.slots import summary as slots

from .conftest import assert_close

Rows = list[dict[str, Any]]
#: Rows and settings -> summary. The study of efficiency has a test of its own: some of its errors are rounding alone.
SUMMARISE: dict[str, Callable[[Rows, dict[str, Any]], Any]] = {
    "retention": retention.summarise,
    "slots": slots.summarise,
    "controller": lambda rows, config: controller.summarise(rows),
    "cross_modal": lambda rows, config: cross_modal.summarise(
        rows, [cross_modal.Case(**case) for case in config["cases"]]
    ),
    "generalisation": lambda rows, config: generalisation.summarise(rows, [c["name"] for c in config["conditions"]]),
    "mqar": lambda rows, config: mqar.summarise(rows),
    "rate_distortion": lambda rows, config: rate_distortion.summarise(rows),
    "recording_cost": recording_cost.summarise,
    "scaling": lambda rows, config: scaling.summarise(
        rows, config["train"]["model"]["n_slots"], config["train"]["model"]["d_model"]
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "retention" else name for name in SUMMARISE]
)
def test_a_kept_summary_is_that_of_the_kept_rows(name: str) -> None:
    result = kept(name)
    assert result is not None
    # optimisers of fits stop where they please within their own tolerance
    rtol = 1e-3 if name == "scaling" else 1e-9
    assert_close(plain(SUMMARISE[name](result["rows"], result["config"])), result["summary"], rtol)
