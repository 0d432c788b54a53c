"""What the analyses say about the trained models: records them, runs the analyses, and writes docs/findings.md from the numbers.

    python -m analyses.findings [--quick] [--seeds 0 1 2] [-o DIR] [--redraw]

Each model of trained_models/ reads three streams a seed under its own policy: the built-in one, needles in prose, and "rewrite", which has
more facts than the store has places, so that something is merged and lost. The sentences are written by
sentences.py from the numbers alone: what does not hold is said not to. A full run writes analyses/results/findings/result.json and
docs/findings.md; a quick one goes to runs/studies and is no evidence. Recordings stay in runs/findings, so that the command under a
finding gives its figure again. ``--redraw`` writes the page from the result that is there.
"""

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analyses.common.provenance import command_of, machine, session, versions
from analyses.common.results import LEAST_SEEDS, RESULTS, ROOT, load, place, plain, replace, save
from analyses.findings.measures import CROWDED, OWN, TASK, measures
from analyses.findings.page import page
from memlens.errors import MemlensError

PAGE = ROOT / "docs" / "findings.md"
#: Streams of a seed, with the analyses of each.
RUNS: dict[str, tuple[str, ...]] = {"builtin": OWN, "needle": TASK, "rewrite": CROWDED}
N_TOKEN, QUICK_TOKEN = 60_000, 8_000
QUICK_RUNS = ("builtin", "rewrite")
SEEDS = (0, 1, 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Record, analyse, write."""
    parser = argparse.ArgumentParser(
        prog="python -m analyses.findings", description="What the analyses say about the trained models."
    )
    parser.add_argument("--quick", action="store_true", help="short streams, few draws; written to runs/studies")
    parser.add_argument("--seeds", type=int, nargs="+", help=f"of streams (default: {' '.join(map(str, SEEDS))})")
    parser.add_argument("-o", "--out", type=Path, help="where the folder of results goes")
    parser.add_argument("--redraw", action="store_true", help="measure nothing: the page from the result there")
    args = parser.parse_args(argv)
    seeds = args.seeds or (SEEDS[:1] if args.quick else SEEDS)
    try:
        path = place("findings", args.quick, args.out)
        if path.is_relative_to(RESULTS) and len(set(seeds)) < LEAST_SEEDS:
            parser.error(f"got {len(set(seeds))} seeds; findings that are kept need {LEAST_SEEDS} or more, or -o DIR")
        result = load(path) if args.redraw else measured(seeds, args.quick, argv)
    except MemlensError as error:
        parser.error(str(error))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not args.redraw:
        save(path, result)
    where = PAGE if path.is_relative_to(RESULTS) else path.with_name("page.md")
    replace(where, page(result))
    print(f"written to {path.parent} and {where.name}")
    return 0


def measured(seeds: Sequence[int], quick: bool, argv: Sequence[str] | None) -> dict[str, Any]:
    """The result: a row a model, recording and seed."""
    import torch

    torch.set_num_threads(1)
    started = session("findings")
    n_token = QUICK_TOKEN if quick else N_TOKEN
    names = QUICK_RUNS if quick else tuple(RUNS)
    configs = sorted((ROOT / "trained_models").glob("*/config.json"))
    models = [path.parent.name for path in configs if "baseline" not in json.loads(path.read_text(encoding="utf-8"))]
    rows = []
    for model in models:
        for seed in seeds:
            for name in names:
                rows.append(row(model, name, seed, n_token, quick))
                print(f"{datetime.now(UTC):%H:%M:%S} {model}, {name}, seed {seed}", flush=True)
    return plain({
        "study": "findings",
        "quick": quick,
        "config": {"models": models, "runs": {name: RUNS[name] for name in names}, "n_token": n_token},
        "provenance": {
            "command": command_of("findings", argv), "seeds": list(seeds), "versions": versions(), "machine": machine(),
            "started": started["started"], "finished": datetime.now(UTC).isoformat(timespec="seconds"), "sessions": [started],
            "measured": {r["model"]: r["weights_sha256"] for r in rows},
        },
        "rows": rows,
    })  # fmt: skip


def row(model: str, name: str, seed: int, n_token: int, quick: bool) -> Mapping[str, Any]:
    """One recording, analysed."""
    from memlens.recording import RecordOptions, record
    from memlens.streams import builtin_stream

    path = ROOT / "runs" / ("findings-quick" if quick else "findings") / f"{model}-{name}-{seed}"
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    recording = record(
        str(ROOT / "trained_models" / model),
        builtin_stream(name, n_token=n_token, seed=seed),
        path,
        RecordOptions(states_every=0),
    )
    told = measures(recording, RUNS[name], quick)
    return {
        "model": model, "run": name, "seed": seed, "n_token": int(recording.attrs["n_token"]),
        "weights_sha256": str(recording.attrs["weights_sha256"]), "told": told,
    }  # fmt: skip
