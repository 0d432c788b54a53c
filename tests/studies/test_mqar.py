"""Associative recall is judged by its goals."""

import mqar
import pytest


@pytest.mark.parametrize(
    ("memory", "attention", "status"),
    [(0.995, 1.0, "holds"), (0.995, 0.9, "holds under conditions"), (0.9, 1.0, "does not hold")],
)
def test_mqar_is_judged_by_its_goals(config, memory: float, attention: float, status: str) -> None:
    rows = [
        {"kind": kind, "seed": s, "accuracy": value, "loss": 0.1, "parameters": 5}
        for kind, value in {"memory": memory, "attention": attention, "ssm": 0.8}.items()
        for s in range(3)
    ]
    settings = {"train": config.model_dump(mode="json"), "parameters": {"memory": 1, "attention": 1, "ssm": 1}}
    result = {"summary": mqar.summarise(rows), "config": settings, "rows": rows}
    said = mqar.verdict(result)
    assert said.status == status
    assert len(said.tables[0].rows) == 3
    assert result["summary"]["accuracy"]["memory"]["value"] == memory
