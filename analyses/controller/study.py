"""The controller: does Q learn what is worth its place, alone and inside the model, where eight candidates come for one place?

    python -m analyses.controller [--quick] [--model DIR] [--seeds 0 1 2] [-o DIR]

"alone": the budget task without a stream (memlens/training/bandit_budget.py): 64 candidates, 8 places, and 8 candidates that two of their
features make relevant. "inside": task ``budget``, which the model reads as text, with level 0 of its store cut to an eighth of the
candidates. A row is a setting and a seed: Q starts from nothing and learns on the train split; the best on validation is kept, and test
streams are reported. Then the rule changes, streams get twice as long, and Q alone learns again from where it stood, on few episodes.

Shares are of the span from the policy "random" to the oracle (memlens/training/oracle.py). "shuffled" gives what Q sees of each agent to
another one.
"""

import argparse
from collections.abc import Mapping
from typing import Any

from analyses.common.claim import Claim
from analyses.common.recall import model_option
from analyses.common.runner import Run
from analyses.controller.figures import DRAWINGS
from analyses.controller.verdict import STATED, summarise, verdict

CLAIM = Claim(
    study="controller",
    number=13,
    title="The controller learns what is worth its place",
    stated=STATED,
    verdict=verdict,
    drawings=DRAWINGS,
)


def options(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    model_option(parser)


def measure(run: Run) -> Mapping[str, Any]:
    """Two rows a seed."""
    from analyses.controller.measures import Alone, Inside
    from memlens.model import load_memory_model

    model = load_memory_model(run.args.model)
    settings = {"alone": Alone(run.quick), "inside": Inside(model, run.quick)}
    run.begin({name: setting.config() for name, setting in settings.items()}, {str(model.name): model.sha256})
    rows = []
    for seed in run.seeds:
        for name, setting in settings.items():
            rows.append(run.row(lambda s=setting, i=seed: s.measure(i, run.say), setting=name, seed=seed))
            recalled = {policy: sum(x) / len(x) for policy, x in rows[-1]["recall"].items()}
            run.say(f"{name}, seed {seed}: " + ", ".join(f"{policy} {x:.3f}" for policy, x in recalled.items()))
    return summarise(rows)
