"""Efficiency at equal parameters: what does reading a context through memory save against plain attention?

    python -m analyses.efficiency [--quick] [--seeds 0 1 2 3 4] [-o DIR]

A context of L tokens is encoded and n questions of q tokens are asked about it, each with the logits of a short answer: once by the
memory model at nano's sizes, once by plain attention with as many parameters. A gain is attention's cost over memory's, encoding paid
once: (E_a + n A_a) / (E_m + n A_m). FLOPs, time, bytes and interactions are counted apart (cost.py has the rules).

Contexts up to ``LENGTHS`` are run. Longer ones are computed from a + b L for a question and a L + b L^2 for encoding, fitted to what was
run: exact for FLOPs, and for time with the error that the summary states. Memory's cost is the same in every segment and at every question.
Each reader answers in its cheaper way, one question at a time or in batches of ``BATCH``. Weights and text are random: nothing here says
how well either answers.
"""

import argparse
import statistics
from collections.abc import Mapping
from typing import Any

from analyses.common.claim import Claim
from analyses.common.provenance import digest, fingerprint
from analyses.common.results import ROOT
from analyses.common.runner import Run
from analyses.efficiency.figures import DRAWINGS
from analyses.efficiency.ratio import summarise
from analyses.efficiency.verdict import STATED, verdict

#: Contexts that are run, in tokens, and those that are computed.
LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
QUICK_LENGTHS = (512, 1024, 2048)
COMPUTED = (32_768, 65_536, 131_072, 1_048_576)
#: q and n.
QUESTIONS = (16, 64, 256)
COUNTS = (1, 10, 100, 1000)
N_ANSWER = 4
BATCH = 8
#: Times a question is timed in a row; the row keeps the median.
N_TIME = 3
CLOCKS = ("seconds", "cpu")

CLAIM = Claim(
    study="efficiency",
    number=20,
    title="Efficiency at equal parameters",
    stated=STATED,
    verdict=verdict,
    drawings=DRAWINGS,
)


def options(parser: argparse.ArgumentParser) -> None:
    """Three layers leave room for the usual MLP of four times the width; more, narrower layers keep more keys and values."""
    parser.add_argument("--layers", type=int, default=3, help="layers of plain attention (default: %(default)s)")


def measure(run: Run) -> Mapping[str, Any]:
    """Rows of every seed and length, then the gains."""
    from memlens.config import ModelConfig
    from memlens.model import MemoryModel
    from memlens.model.baseline import equal_config

    nano = ModelConfig()
    n_parameter = sum(p.numel() for p in MemoryModel(nano).parameters())
    # only the places of a longer question's tokens come on top of nano
    memory = nano.model_copy(update={"max_question": max(QUESTIONS)})
    attention = equal_config("attention", n_parameter, n_layers=run.args.layers, vocab_size=nano.vocab_size)
    lengths = QUICK_LENGTHS if run.quick else LENGTHS
    config = {
        "lengths": lengths,
        "computed": COMPUTED,
        "questions": QUESTIONS,
        "counts": COUNTS,
        "n_answer": N_ANSWER,
        "batch": BATCH,
        "n_time": N_TIME,
        "memory": memory.model_dump(mode="json"),
        "attention": attention.model_dump(mode="json"),
    }
    formulas = (ROOT / "memlens" / "analysis" / "support" / f"{name}.py" for name in ("costs", "attention_costs"))
    counters = ROOT / "analyses" / "efficiency" / "cost.py", *formulas
    source = digest([*(ROOT / "memlens" / "model").rglob("*.py"), *counters])
    run.begin(config, {"settings": fingerprint(config), "source of models and counters": source})
    rows = []
    for seed in run.seeds:
        for length in lengths:
            rows.append(run.row(lambda s=seed, n=length: costs(memory, attention, s, n), seed=seed, length=length))
            told = rows[-1]["encode_seconds"]
            run.say(
                f"seed {seed}, {length:,} tokens: encoding {told['attention']:.2f} s and {told['memory']:.2f} s "
                "(attention, memory)"
            )
    return summarise(rows, config)


def costs(memory: Any, attention: Any, seed: int, length: int) -> dict[str, Any]:
    """One row: all that is run at one length, the two readers in turns."""
    import torch

    from analyses.efficiency.cost import (
        AttentionReader,
        MemoryReader,
        flops,
        peak_bytes,
        random_questions,
        random_segment,
        seconds,
        size_of,
    )
    from memlens.model.segment import Segment

    def readers() -> dict[str, Any]:
        torch.manual_seed(seed)
        return {
            "memory": MemoryReader(memory),
            "attention": AttentionReader(attention, length, max(QUESTIONS) + N_ANSWER),
        }

    torch.manual_seed(seed)
    segments: list[Segment] = [random_segment(memory) for _ in range(length // memory.segment_length)]
    warm = readers()
    counted = {name: sum(sum(flops(lambda r=r, s=s: r.feed(s)).values()) for s in segments) for name, r in warm.items()}
    both = readers()
    spent: dict[str, dict[str, float]] = {clock: dict.fromkeys(both, 0.0) for clock in CLOCKS}
    for segment in segments:
        for name, reader in both.items():
            for clock, took in seconds(lambda r=reader, s=segment: r.feed(s)).items():
                spent[clock][name] += took
    peaks = {
        name: size_of(reader.state) + peak_bytes(lambda r=reader: r.model.step(segments[-1], r.state, predict=False))
        for name, reader in both.items()
    }
    asked = []
    with torch.no_grad():
        for reader in both.values():
            reader.settle()
    for n_token in QUESTIONS:
        for batch in (1, BATCH):
            questions = random_questions(batch, n_token, N_ANSWER, memory.vocab_size)
            done = {name: sum(flops(lambda r=r, a=questions: r.ask(a)).values()) / batch for name, r in both.items()}
            times: dict[str, list[dict[str, float]]] = {name: [] for name in both}
            for _ in range(N_TIME):
                for name, reader in both.items():
                    times[name].append(seconds(lambda r=reader, a=questions: r.ask(a)))
            asked.append({
                "question": n_token, "batch": batch, "flops": done,
                **{c: {name: statistics.median(t[c] for t in told) / batch for name, told in times.items()} for c in CLOCKS},
                "peak_bytes": {name: peak_bytes(lambda r=r, a=questions: r.ask(a)) for name, r in both.items()},
            })  # fmt: skip
    return {
        "parameters": {name: sum(p.numel() for p in reader.model.parameters()) for name, reader in both.items()},
        "encode_flops": counted,
        **{f"encode_{clock}": each for clock, each in spent.items()},
        "encode_peak_bytes": peaks,
        "held_bytes": {name: reader.held() for name, reader in both.items()},
        "asked": asked,
    }
