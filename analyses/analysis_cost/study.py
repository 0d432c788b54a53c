"""What analyses cost: a million vectors beside the bare scikit-learn calls, the same by Dask blocks, and all analyses of a recording.

    python -m analyses.analysis_cost [--quick] [--seeds 0 1 2] [-o DIR]

vectors
    PCA, mini-batch k-means and a linear probe over ``N_ROW`` vectors of width 128: the bare scikit-learn call on an array in memory, what
    the analyses call on the same array, and the same functions on Dask blocks of a file, in 64 MiB. Each arm runs in a process of its own,
    the arms of a part one after the other (part.py).
whole
    ``memlens analyse RUN --all`` of a recording of base over ``N_TOKEN`` of the built-in stream, as in the demo, with all its figures and
    pages, by ``WORKERS`` processes of one thread each. UMAP is not part of it.

Ratios are of processor time: on a busy machine wall time measures the others too. Both are kept.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analyses.analysis_cost.part import ARMS, PARTS, planted
from analyses.analysis_cost.verdict import DRAWINGS, STATED, summarise, verdict
from analyses.common.claim import Claim
from analyses.common.provenance import digest, fingerprint, sources
from analyses.common.recall import BASE
from analyses.common.results import ROOT
from analyses.common.runner import Run

N_ROW, QUICK_ROW = 2**20, 2**14
N_TOKEN, QUICK_TOKEN = 100_000, 10_000
THREADS, WORKERS = 1, 2
#: Sources of what the arms call.
TIMED = ("blocks", "clustering", "block_clustering", "probing", "block_probe")

CLAIM = Claim(
    study="analysis_cost", number=31, title="What analyses cost", stated=STATED, verdict=verdict, drawings=DRAWINGS
)


def measure(run: Run) -> Mapping[str, Any]:
    """Vectors of every seed, then the first seed's whole recording."""
    config = {
        "n_row": QUICK_ROW if run.quick else N_ROW,
        "n_token": QUICK_TOKEN if run.quick else N_TOKEN,
        "threads": THREADS,
        "workers": WORKERS,
    }
    source = [ROOT / "memlens" / "analysis" / "support" / f"{name}.py" for name in TIMED]
    source += sources(run.study)
    run.begin(config, {"settings": fingerprint(config), "source of what is timed": digest(source)})
    rows = []
    for seed in run.seeds:
        with tempfile.TemporaryDirectory() as folder:
            for part in PARTS:
                rows.append(
                    run.row(lambda p=part, s=seed, f=folder: vectors(p, s, config, Path(f)), part=part, seed=seed)
                )
                run.say(f"seed {seed}, {part}: {rows[-1]['arms']}")
    with tempfile.TemporaryDirectory() as folder:
        rows.append(run.row(lambda: whole(run.seeds[0], config, Path(folder)), part="whole", seed=run.seeds[0]))
        run.say(f"all analyses: {rows[-1]}")
    return summarise(rows)


def vectors(part: str, seed: int, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The three arms of a part, on one file."""
    path = folder / "rows"
    if not path.exists():
        planted(path, config["n_row"], seed)
    command = [sys.executable, "-m", "analyses.analysis_cost.part", part]
    told = {}
    for arm in ARMS:
        done = subprocess.run(
            [*command, arm, str(path), str(config["n_row"])], check=True, capture_output=True, text=True, cwd=ROOT
        )
        told[arm] = json.loads(done.stdout.splitlines()[-1])
    return {"arms": told}


def whole(seed: int, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """All analyses of a recording, as the command runs them."""
    from memlens.recording import record
    from memlens.streams import builtin_stream

    record(str(BASE), builtin_stream("builtin", n_token=config["n_token"], seed=seed), folder / "run")
    command = [sys.executable, "-m", "memlens", "analyse", str(folder / "run"), "--all", "-o", str(folder / "out")]
    threads, workers = str(config["threads"]), str(config["workers"])
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [*command, "--threads", threads, "--workers", workers],
        check=True, capture_output=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": threads},
    )  # fmt: skip
    took = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    notes = json.loads((folder / "out" / "manifest.json").read_text(encoding="utf-8"))["analyses"]
    return {
        "seconds": took,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "analyses": len(notes),
        "each": {told["analysis"]: told["seconds"] for told in notes},
        "refused": sorted(told["analysis"] for told in notes if told["note"]),
        "load": round(os.getloadavg()[0], 2),
    }
