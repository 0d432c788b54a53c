"""Is the cost of a segment constant in the stream's length? Time per token and memory at 10K, 100K and 1M tokens.

    python -m analyses.constant_cost [--model trained_models/nano] [--lengths 10000 100000] [--repeats 5] [-o DIR]

Each length runs in a process of its own on the built-in stream with facts and questions equally dense, recording off, one
thread, in turns, ``--repeats`` times. Time is the mean over segments of the step's seconds divided by its tokens, after four
segments of warm-up; memory is the peak resident set of the process, and the bytes of the memory state. The encoded stream, which
grows with the length and is held by the caller, is reported apart.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analyses.common.provenance import command_of
from analyses.common.recall import NANO
from analyses.common.results import ROOT, place, replace

STUDY = "constant_cost"
WARM_UP = 4
#: Of which the summary has the median over repeats.
MEASURES = ("microseconds_per_token", "median_segment_milliseconds", "peak_rss_bytes", "stream_bytes", "state_bytes")

Row = dict[str, float]


def measure(model_path: str, n_token: int) -> Row:
    """One run over a stream of ``n_token`` tokens, in this process."""
    import torch

    from memlens.model import load_model, run
    from memlens.streams import builtin_stream

    torch.set_num_threads(1)
    model = load_model(model_path)
    # as many facts and questions for each token, whatever the length
    n = max(1, round(32 * n_token / 100_000))
    stream = builtin_stream("builtin", n_token=n_token, seed=0, n_text=2 * n, n_image=n, n_audio=n, n_dna=n).encode(
        model.tokenizer
    )
    stream_bytes = stream.payload.nbytes + sum(
        getattr(stream, name).nbytes for name in ("modality", "token", "payload_row", "fact")
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds, tokens, state_bytes = [], [], 0
    for result in run(model, [stream]):
        seconds.append(result.seconds)
        tokens.append(int(result.rows[0]["valid"].sum()))
        state_bytes = sum(x.numel() * x.element_size() for x in result.state.flat().values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "n_token": n_token,
        "microseconds_per_token": 1e6 * sum(seconds[WARM_UP:]) / sum(tokens[WARM_UP:]),
        "median_segment_milliseconds": 1e3 * statistics.median(seconds[WARM_UP:]),
        "peak_rss_bytes": peak,
        "rss_before_the_run_bytes": before,
        "stream_bytes": stream_bytes,
        "state_bytes": state_bytes,
    }


def in_turns(model_path: str, lengths: Sequence[int], repeats: int) -> list[Row]:
    """A row a repeat and length, each measured in a process of its own."""
    rows: list[Row] = []
    for repeat in range(repeats):
        for n_token in lengths:
            command = [sys.executable, "-m", f"analyses.{STUDY}", "--model", str(Path(model_path).resolve())]
            done = subprocess.run(
                [*command, "--one", str(n_token)], capture_output=True, text=True, check=True, cwd=ROOT
            )
            rows.append(json.loads(done.stdout.splitlines()[-1]) | {"repeat": repeat})
            print(
                f"repeat {repeat}: {n_token:,} tokens: {rows[-1]['microseconds_per_token']:.1f} us per token",
                flush=True,
            )
    return rows


def summarise(rows: Sequence[Row], lengths: Sequence[int]) -> dict[int, Row]:
    """Medians at each length, and time and memory relative to the first length."""
    summary = {
        n_token: {key: statistics.median(row[key] for row in rows if row["n_token"] == n_token) for key in MEASURES}
        for n_token in lengths
    }
    first = summary[lengths[0]]
    for row in summary.values():
        row["time_ratio"] = row["microseconds_per_token"] / first["microseconds_per_token"]
        row["memory_ratio"] = row["peak_rss_bytes"] / first["peak_rss_bytes"]
    return summary


def show(summary: dict[int, Row]) -> None:
    """Print the summary as a table."""
    print(f"{'tokens':>10} {'us/token':>9} {'ratio':>6} {'peak MB':>8} {'ratio':>6} {'state KB':>9}")
    for n_token, row in summary.items():
        print(
            f"{n_token:>10,} {row['microseconds_per_token']:>9.1f} {row['time_ratio']:>6.3f} {row['peak_rss_bytes'] / 1e6:>8.0f} "
            f"{row['memory_ratio']:>6.3f} {row['state_bytes'] / 1e3:>9.0f}"
        )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog=f"python -m analyses.{STUDY}", description="Is the cost of a segment constant in the stream's length?"
    )
    parser.add_argument("--model", default=str(NANO), help="folder of a model (default: trained_models/nano)")
    parser.add_argument("--lengths", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "-o", "--out", type=Path, help="where the study's folder of results goes (default: analyses/results)"
    )
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.model, args.one)))
        return
    rows = in_turns(args.model, args.lengths, args.repeats)
    summary = summarise(rows, args.lengths)
    show(summary)
    result: dict[str, Any] = {
        "command": command_of(STUDY),
        "versions": {"python": platform.python_version(), "torch": version("torch"), "memlens": version("memlens")},
        "seed": 0,
        "summary": summary,
        "runs": rows,
    }
    path = place(STUDY, out=args.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, json.dumps(result, indent=2) + "\n")
    print(f"written to {path}")
