"""The controller's study: correlations that ties bound, spans from random to oracle, figures."""

from typing import Any

import pytest
import torch

from analyses.common.results import kept
from analyses.controller import measures
from analyses.controller import study as controller
from analyses.controller import verdict as judged

from .conftest import check_drawings


def test_ties_bound_the_correlation_with_value() -> None:
    value = torch.tensor([0.0] * 90 + [float(i) for i in range(1, 11)])
    found = measures.value_correlation(value + torch.linspace(0, 1e-3, 100), value)
    assert found["spearman"] == pytest.approx(found["ceiling"]) and found["ceiling"] < 0.7
    assert (found["n"], found["worthless"]) == (100, pytest.approx(0.9))
    hardly = measures.value_correlation(value, torch.where(value == 0, measures.LEAST_VALUE / 2, value))
    assert hardly["worthless"] == pytest.approx(0.9), "what is next to nothing counts as nothing"


def test_a_span_is_the_way_from_random_to_oracle() -> None:
    rows = [{"recall": {"random": [0.2, 0.3], "oracle": [1.0, 1.0], "learned": [0.6, 0.65]}}] * 3
    found = judged.span(rows, "recall", "learned")
    assert found["value"] == pytest.approx(0.5) and found["low"] == pytest.approx(0.5)


def test_the_controllers_study_is_drawn_from_its_result() -> None:
    result: Any = kept("controller")
    check_drawings(controller.CLAIM, result)
