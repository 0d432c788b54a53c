"""Retention: what is recalled over streams of 8K to 1M tokens, by distance and depth, and what each part of the memory carries of it.

    python -m analyses.retention [--quick] [--longest] [--model DIR] [--baselines DIR ...] [--seeds 0 1 2] [-o DIR]

64 facts lie anywhere in real prose and are all asked for at the end (task ``needle``). Three kinds of streams: the task as it is; "near",
where half of the keys have a near-duplicate; "rewritten", where half of the facts change twice and the last value counts. The memory is
asked as it is and with one part taken away at a time (hooks.py), without training again: a part's loss is what this model loses
that was trained with it. Baselines are trained models of their own.

``--longest`` adds one stream of 10M tokens, of the first seed. A row is a run over one stream; conditions that differ at questions only
share it.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyses.common.claim import Claim
from analyses.common.recall import about, make_streams, model_option, recall
from analyses.common.results import ROOT
from analyses.common.runner import Run
from analyses.retention.figures import DRAWINGS
from analyses.retention.hooks import ALL_ALONG, FULL, POLICIES, all_along, at_questions, named_policy
from analyses.retention.summary import summarise
from analyses.retention.verdict import STATED, verdict
from memlens.errors import ConfigError

if TYPE_CHECKING:
    from memlens.model import MemoryModel, StreamReader
    from memlens.streams import EncodedStream

#: Options of the task; lengths of its streams, and those up to which parts are taken away all along.
VARIANTS: dict[str, dict[str, Any]] = {
    "needle": {},
    "near": {"near": 0.5},
    "rewritten": {"rewritten": 0.5, "versions": 2},
}
LENGTHS = (8_000, 32_000, 100_000, 256_000, 1_000_000)
VARIANT_LENGTHS = (32_000, 100_000, 1_000_000)
ABLATED = 256_000
LONGEST = 10_000_000
QUICK_LENGTHS = (4_000, 12_000)
N_FACT, QUICK_N_FACT = 64, 16
BASELINES = (ROOT / "trained_models" / "attention", ROOT / "trained_models" / "ssm")
#: Names of runs; the others are those of conditions and baselines.
AS_IS, ASKED = "as it is", "what is asked"

CLAIM = Claim(
    study="retention",
    number=10,
    title="Retention over long streams",
    stated=STATED,
    verdict=verdict,
    drawings=DRAWINGS,
)


@dataclass(frozen=True)
class Plan:
    """What is run: kinds of streams with their lengths, facts a stream, and the length up to which parts are taken away all along."""

    lengths: Mapping[str, tuple[int, ...]]
    n_fact: int
    ablated: int

    def streams(self) -> Iterator[tuple[str, int]]:
        """Kind and length of every stream."""
        for variant, lengths in self.lengths.items():
            yield from ((variant, length) for length in lengths)


def options(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    model_option(parser)
    parser.add_argument(
        "--baselines", type=Path, nargs="*", default=list(BASELINES),
        help="folders of baselines (default: trained_models/attention and trained_models/ssm); one that is not there is not trained yet",
    )  # fmt: skip
    parser.add_argument("--longest", action="store_true", help="one stream of 10M tokens as well: ten minutes more")


def measure(run: Run) -> Mapping[str, Any]:
    """All rows, then the summary."""
    from memlens.model import load_memory_model

    model = load_memory_model(run.args.model)
    readers = baselines(run.args.baselines, model)
    if run.quick:
        plan = Plan(dict.fromkeys(VARIANTS, QUICK_LENGTHS), QUICK_N_FACT, max(QUICK_LENGTHS))
    else:
        plan = Plan({"needle": LENGTHS, "near": VARIANT_LENGTHS, "rewritten": VARIANT_LENGTHS}, N_FACT, ABLATED)
    config = {
        "task": "needle",
        "variants": VARIANTS,
        "lengths": plan.lengths,
        "n_fact": plan.n_fact,
        "ablated": plan.ablated,
        "model": model.cfg.model_dump(mode="json"),
        "baselines": {name: None if each is None else each.cfg.model_dump(mode="json") for name, each in readers.items()},
    }  # fmt: skip
    there = {name: each for name, each in readers.items() if each is not None}
    run.begin(config, {str(model.name): model.sha256, **{name: each.sha256 for name, each in there.items()}})
    wanted = [(seed, variant, length) for variant, length in plan.streams() for seed in run.seeds]
    if run.args.longest:
        wanted.append((run.seeds[0], "needle", LONGEST))
    rows = [row for each in wanted for row in rows_of(run, model, there, plan, *each)]
    return summarise(rows, config)


def rows_of(
    run: Run, model: "MemoryModel", readers: "Mapping[str, StreamReader]", plan: Plan, seed: int, variant: str, length: int
) -> list[dict[str, Any]]:  # fmt: skip
    """Everything that is run over one stream."""

    @lru_cache(1)
    def stream() -> "list[EncodedStream]":
        return make_streams(model.tokenizer, "needle", [seed], n_token=length, n_fact=plan.n_fact, **VARIANTS[variant])

    def row(name: str, asked: Any, of: "MemoryModel | StreamReader" = model, **how: Any) -> dict[str, Any]:
        return run.row(lambda: {"answers": recall(of, stream(), asked, **how)}, **key, run=name)

    key = {"variant": variant, "length": length, "seed": seed}
    rows = [run.row(lambda: about(stream()), **key, run=ASKED)]
    rows.append(row(AS_IS, at_questions(model)))
    if variant == "needle" and length <= plan.ablated:
        rows += [row(name, {name: []}, during=all_along(name, seed)) for name in ALL_ALONG]
        rows += [row(name, {name: []}, policy=policy) for policy in POLICIES for name in [named_policy(policy)]]
    if variant == "needle" and length < LONGEST:
        rows += [row(name, {name: []}, of=reader) for name, reader in readers.items()]
    n_right = rows[1]["answers"][FULL]["correct"].count("1")
    run.say(f"{variant}, {length:,} tokens, seed {seed}: {n_right} of {len(rows[0]['distance'])} right")
    return rows


def baselines(folders: list[Path], model: "MemoryModel") -> "dict[str, StreamReader | None]":
    """The baselines by the names of their folders; None for one that is not trained yet.

    Raises
    ------
    ConfigError
        When a folder holds a memory model, two are called alike, or a baseline reads other tokens.
    """
    from memlens.model import StreamReader, load_model

    found: dict[str, StreamReader | None] = {}
    for folder in folders:
        name = folder.name
        if name in found:
            raise ConfigError(f"two baselines are called '{name}'; give folders with different names")
        reader = load_model(folder) if folder.is_dir() else None
        if reader is not None and not isinstance(reader, StreamReader):
            raise ConfigError(f"the model in '{name}' is no baseline; give one of attention or state-space layers")
        if reader is not None and reader.tokenizer.get_vocab() != model.tokenizer.get_vocab():
            raise ConfigError(
                f"baseline '{name}' has another tokenizer; distances would differ: train it with this one"
            )
        found[name] = reader
    return found
