"""Generalisation is judged on what was not trained on."""

import numpy as np
import pytest

from analyses.common.claim import Result
from analyses.generalisation import study as generalisation
from memlens.streams import builtin_stream, default_tokenizer
from memlens.streams.symbols import symbols


def planted(accuracy: dict[str, tuple[float, float]], seed: int = 0) -> Result:
    """Rows where each architecture is right at some rate as trained, and at another elsewhere."""
    rng = np.random.default_rng(seed)
    names = ["as trained", "2 x longer", "new keys"]
    rows = []
    for kind, (first, later) in accuracy.items():
        for s in range(3):
            asked = {}
            for i, name in enumerate(names):
                right = rng.random(400) < (later if i else first)
                asked[name] = {"accuracy": right.mean(), "right": "".join(str(int(x)) for x in right)}
            rows.append({"kind": kind, "seed": s, "parameters": 1, "asked": asked})
    return {"summary": generalisation.summarise(rows, names)}


@pytest.mark.parametrize(
    ("accuracy", "status"),
    [
        ({"memory": (0.99, 0.9), "attention": (0.99, 0.5), "ssm": (0.9, 0.3)}, "holds"),
        ({"memory": (0.5, 0.9), "attention": (0.99, 0.5), "ssm": (0.9, 0.3)}, "does not hold"),
        ({"memory": (0.99, 0.5), "attention": (0.99, 0.9), "ssm": (0.9, 0.3)}, "does not hold"),
    ],
)
def test_generalisation_is_judged_on_what_was_not_trained_on(accuracy: dict, status: str) -> None:
    assert generalisation.verdict(planted(accuracy)).status == status


def test_ahead_here_and_behind_there_holds_under_conditions() -> None:
    result = planted({"memory": (0.99, 0.9), "attention": (0.99, 0.5), "ssm": (0.9, 0.3)})
    last = result["summary"]["conditions"][-1]["lead"]
    last["ssm"] = {**last["ssm"], "value": -0.2, "low": -0.3, "high": -0.1}
    assert generalisation.verdict(result).status == "holds under conditions"


def test_new_keys_were_values_in_training() -> None:
    condition = generalisation.Condition("new", vocab=310, n_stream=6)
    asked = [
        question
        for seed in range(condition.n_stream)
        for question in builtin_stream("mqar", n_token=128, seed=seed, n_fact=8, vocab=310)
        .encode(default_tokenizer())
        .questions
    ]
    trained = symbols(generalisation.VOCAB)
    keys, values = trained[:128], trained[128:]
    new = [q.text not in keys and q.text in values and q.answer in values for q in asked]
    right = "".join(str(i % 2) for i in range(len(asked)))
    found = generalisation.only_new({"right": right}, condition)
    assert 0 < found["n"] == sum(new) < len(asked)
    assert found["right"] == "".join(digit for digit, kept in zip(right, new, strict=True) if kept)
