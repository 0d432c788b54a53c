"""Cross-modal recall, and one memory for all modalities against a memory for each.

    python -m analyses.cross_modal [--quick] [--model DIR] [--seeds 0 1 2] [-o DIR]

Task ``cross`` states pairs of a key and a value in two modalities; task ``needle`` states facts whose values are text, images, audio or
DNA. The questions are the same in every arrangement:

============  =========================================================================================================
arrangement   what a memory sees
============  =========================================================================================================
together      one memory: all facts, a store of capacity C
alone         a memory for each modality: the prose and the facts of its modality, a store of C each
separate      as "alone", with a store of C / n each (rounded up), n modalities: as many places in all as "together"
split         a memory for each modality, of C / n: the prose and the positions of its modality, so that key and value of a
              pair come into different memories; a question reads all of them (``cross`` only)
============  =========================================================================================================

The modality of a pair is that of its key, of a fact that of its value. Apart from places in the store, separate memories get the better of
it: each has working memory and slots of its own, and a question is taken to the memory that holds its fact. Stores are taken whole (C of
the model) and tight (a quarter), where there are more facts than places at level 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.common.claim import Claim
from analyses.common.recall import about, accuracy, make_streams, right, seeds_of
from analyses.common.runner import Run
from analyses.cross_modal.verdict import DRAWINGS, STATED, verdict
from memlens.stats.bootstrap import paired_bootstrap

if TYPE_CHECKING:
    from memlens.model import MemoryModel
    from memlens.streams import EncodedStream

#: Odds of text, image, audio and DNA facts.
EVEN, SKEWED = (0.25, 0.25, 0.25, 0.25), (0.7, 0.1, 0.1, 0.1)
ARRANGEMENTS = ("together", "alone", "separate", "split")
#: By how much the places of the model's store are divided.
STORES = {"whole": 1, "tight": 4}

CLAIM = Claim(
    study="cross_modal",
    number=11,
    title="Cross-modal recall in one memory",
    stated=STATED,
    verdict=verdict,
    drawings=DRAWINGS,
)


@dataclass(frozen=True)
class Case:
    """Streams of one kind and the store they meet."""

    name: str
    task: str
    store: str
    n_token: int
    n_fact: int
    n_stream: int
    arrangements: tuple[str, ...]
    options: Mapping[str, Any]


def cases(quick: bool) -> list[Case]:
    """What is measured."""
    length, n, few, many = (4_096, 1, 8, 24) if quick else (16_384, 4, 16, 48)
    three = ARRANGEMENTS[:3]
    found = [
        Case("pairs", "cross", "whole", length, few, n, ARRANGEMENTS, {}),
        Case("many pairs", "cross", "tight", length, many, max(1, n // 2), three, {}),
    ]
    length, n_fact = (4_096, 24) if quick else (32_768, 64)
    for name, mix in (("even", EVEN), ("skewed", SKEWED)):
        options = {"mix": mix}
        found += [Case(f"facts, {name}", "needle", store, length, n_fact, 1, three, options) for store in STORES]
    return found


def measure(run: Run) -> Mapping[str, Any]:
    """All rows, then the summary."""
    from analyses.cross_modal.memories import divided
    from memlens.model import load_memory_model

    model = load_memory_model(run.args.model)
    every = cases(run.quick)
    config = {
        "cases": [case.__dict__ for case in every],
        "stores": {name: divided(model.cfg.capacities, by) for name, by in STORES.items()},
        "model": model.cfg.model_dump(mode="json"),
    }
    run.begin(config, {str(model.name): model.sha256})
    rows = []
    for case in every:
        for seed in run.seeds:
            rows += rows_of(run, model, case, seed)
            whole = right(rows[-len(case.arrangements)]["answers"])
            run.say(f"{case.name}, {case.store} store, seed {seed}: {whole.mean():.3f} together")
    return summarise(rows, every)


def rows_of(run: Run, model: "MemoryModel", case: Case, seed: int) -> list[dict[str, Any]]:
    """What is asked, then the answers of every arrangement."""
    from analyses.cross_modal.memories import answers, divided

    @lru_cache(1)
    def streams() -> "list[EncodedStream]":
        return make_streams(
            model.tokenizer, case.task, seeds_of(seed, case.n_stream), n_token=case.n_token, n_fact=case.n_fact,
            **case.options,
        )  # fmt: skip

    key = {"case": case.name, "store": case.store, "seed": seed}
    store = divided(model.cfg.capacities, STORES[case.store])
    rows = [run.row(lambda: about(streams()), **key, arrangement="what is asked")]
    return rows + [
        run.row(lambda a=arrangement: {"answers": answers(model, streams(), store, a)}, **key, arrangement=arrangement)
        for arrangement in case.arrangements
    ]


# the summary


def summarise(rows: Sequence[Mapping[str, Any]], every: Sequence[Case]) -> dict[str, Any]:
    """Accuracies of each arrangement over all questions and by group or modality, and what "together" is ahead of the others."""
    recalled, ahead = [], []
    for case in every:
        here = [row for row in rows if (row["case"], row["store"]) == (case.name, case.store)]
        known = sorted((row for row in here if "distance" in row), key=lambda row: row["seed"])
        kinds = [np.array(row["group"] if case.task == "cross" else row["modality"]) for row in known]
        told = {}
        for arrangement in case.arrangements:
            mine = sorted((row for row in here if row["arrangement"] == arrangement), key=lambda row: row["seed"])
            told[arrangement] = [right(row["answers"]) for row in mine]
            key = {"case": case.name, "store": case.store, "arrangement": arrangement}
            recalled.append({**key, "of": "all", **accuracy(told[arrangement])})
            for name in sorted({str(kind) for each in kinds for kind in each}):
                some = [values[each == name] for values, each in zip(told[arrangement], kinds, strict=True)]
                recalled.append({**key, "of": name, **accuracy(some)})
            if arrangement != "together":
                ahead.append({**key, **paired_bootstrap(told["together"], told[arrangement])})
    return {"recall": recalled, "ahead": ahead}
