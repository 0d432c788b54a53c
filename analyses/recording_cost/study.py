"""What recording costs: time, memory and durability of the recorder, and of going back to a recording, beside named peers.

    python -m analyses.recording_cost [--quick] [--seeds 0 1 2] [-o DIR]

cost
    Arms that keep every segment-level point (arms.py), on one thread of torch. Those that keep copies in memory take
    turns at each of ``N_TURN`` segments; the recorder takes turns with the loop by hand, run by run, ``ROUNDS`` times a seed, from an
    empty folder to the end of the last commit. An arm's figure is the median of its time over that of the loop by hand of the same
    turn. Two models of random weights: one that takes about 20 ms a segment, one that takes about 80.
same
    Every arm's states are compared with those of the loop by hand, bit by bit, at every segment.
memory
    Resident memory of a process that records 1M tokens, after 10K and at the end.
durable
    Bytes a second that the writer takes in and commits, fed as fast as it can, over those of plain files of the same bytes written
    one after the other, each followed by fsync, in turns.
open
    Time to open a recording of 100K tokens, to read one slot's trajectory over its segments (at most 200), and everything of one segment.
sweep
    Time of a counterfactual sweep of ``N_FORCED`` actions at 100K tokens, over that of one pass over the stream.

nnsight comes with memlens's extra ``dev``; without it its arm is left out, and the verdict says so.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from analyses.common.claim import Claim
from analyses.common.provenance import digest, fingerprint, sources
from analyses.common.recall import NANO
from analyses.common.results import ROOT
from analyses.common.runner import Run
from analyses.recording_cost.verdict import DRAWINGS, STATED, summarise, verdict

#: Width and layers of the models that are timed, by what a segment is to take.
MODELS = {"20 ms": (64, 2), "80 ms": (416, 5)}
#: Segments at which arms take turns; those of a run that is recorded, by model: about 200K and 100K tokens.
N_TURN, QUICK_TURN = 96, 4
N_SEGMENT, QUICK_SEGMENT = {"20 ms": 384, "80 ms": 192}, 6
#: Rounds of a seed: 12 over three seeds are the fewest that a median rests on.
ROUNDS, QUICK_ROUNDS = 4, 2
LONG, QUICK_LONG = 1_000_000, 30_000
SWEPT, QUICK_SWEPT = 100_000, 10_000
N_FORCED, QUICK_FORCED = 64, 8
N_TIME = 12

CLAIM = Claim(
    study="recording_cost", number=30, title="What recording costs", stated=STATED, verdict=verdict, drawings=DRAWINGS
)


def measure(run: Run) -> Mapping[str, Any]:
    """All parts, a row each, in an order that begins with correctness."""
    config = {
        "models": MODELS,
        "n_turn": QUICK_TURN if run.quick else N_TURN,
        "n_segment": dict.fromkeys(MODELS, QUICK_SEGMENT) if run.quick else N_SEGMENT,
        "rounds": QUICK_ROUNDS if run.quick else ROUNDS,
        "long": QUICK_LONG if run.quick else LONG,
        "swept": QUICK_SWEPT if run.quick else SWEPT,
        "n_forced": QUICK_FORCED if run.quick else N_FORCED,
        "nnsight": find_spec("nnsight") is not None,
    }
    measured = [ROOT / "memlens" / part for part in ("model", "recording", "interventions")]
    source = [*(path for part in measured for path in part.rglob("*.py")), *sources(run.study)]
    run.begin(config, {"settings": fingerprint(config), "source of what is timed": digest(source)})
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for seed in run.seeds:
            for name in MODELS:
                row = run.row(
                    lambda n=name, s=seed: cost(n, s, config, Path(folder)), part="cost", model=name, seed=seed
                )
                told = row["milliseconds"]
                run.say(f"seed {seed}, {name}: " + ", ".join(f"{arm} {value:.2f} ms" for arm, value in told.items()))
                rows.append(row)
            for part, call in PARTS.items():
                rows.append(run.row(lambda c=call, s=seed: c(s, config, Path(folder)), part=part, seed=seed))
                run.say(f"seed {seed}, {part}: {rows[-1]}")
    return summarise(rows, config)


def cost(name: str, seed: int, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """One model: what a segment takes in each arm, and whether all arms give the same states."""
    import torch

    from analyses.recording_cost.arms import BY_HAND, RECORD, arms_of, in_turns
    from memlens.config import ModelConfig
    from memlens.model import MemoryModel
    from memlens.recording.capture.point_selection import select_points
    from memlens.streams import builtin_stream, default_tokenizer

    torch.manual_seed(seed)
    d_model, n_layers = MODELS[name]
    model = MemoryModel(ModelConfig(d_model=d_model, n_layers=n_layers), default_tokenizer()).eval()
    turns, whole = (
        builtin_stream("needle", n_token=n * model.cfg.segment_length, seed=seed, n_fact=2).encode(model.tokenizer)
        for n in (config["n_turn"], config["n_segment"][name])
    )
    points = [kept.point.name for kept in select_points(model.cfg, ["all"]) if "token" not in kept.point.dims]
    spent, same = in_turns(model, turns, arms_of(model, points, config["nnsight"]))
    recorded, hand, same[RECORD] = _recorder(model, whole, points, config, folder)
    took = {arm: [{"arm": each, "hand": base} for each, base in zip(of, spent[BY_HAND], strict=True)]
            for arm, of in spent.items()}  # fmt: skip
    took[RECORD] = [{"arm": each, "hand": base} for each, base in zip(recorded, hand, strict=True)]
    return {
        "same": same,
        "points": len(points),
        "parameters": sum(p.numel() for p in model.parameters()),
        "milliseconds": {
            arm: round(1e3 * statistics.median(pair["arm"]["seconds"] for pair in pairs), 3)
            for arm, pairs in took.items()
        },
        "spent": {arm: pairs for arm, pairs in took.items() if arm != BY_HAND},
    }


def _recorder(
    model: Any, stream: Any, points: list[str], config: Mapping[str, Any], folder: Path
) -> tuple[list[dict[str, float]], list[dict[str, float]], bool]:
    """Time a segment of whole runs, recorded and by hand, in turns; and whether a recorded run has the states of one by hand."""
    from analyses.recording_cost.arms import Digests, by_hand, recorded, seconds, step_states, without_points

    def record() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            recorded(model, stream, points, Path(fresh) / "run")

    def hand() -> None:
        with without_points(model):
            by_hand(model, stream)

    reference, found = Digests(), Digests()
    by_hand(model, stream, reference)
    with step_states(model, found):
        record()
    n = stream.n_segment(model.cfg.segment_length)
    spent: dict[Callable[[], None], list[dict[str, float]]] = {record: [], hand: []}
    for i in range(config["rounds"]):
        for call in (record, hand) if i % 2 else (hand, record):
            spent[call].append({clock: value / n for clock, value in seconds(call).items()})
    return spent[record], spent[hand], found.of == reference.of


def memory(seed: int, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Resident memory of a recording process, early and late, in a process of its own."""
    command = [sys.executable, "-m", "analyses.recording_cost.memory", str(config["long"]), str(seed)]
    done = subprocess.run(
        [*command, str(folder / f"long-{seed}")], capture_output=True, text=True, check=True, cwd=ROOT
    )
    early, late, n_token = map(int, done.stdout.split()[-3:])
    return {"early_bytes": early, "late_bytes": late, "n_token": n_token, "ratio": late / early}


def durable(seed: int, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Bytes a second of the writer and of plain fsynced files, in turns over the same bytes."""
    from analyses.recording_cost.durable import plain_files, through_writer

    n_segment = 512 if config["long"] == LONG else 8
    pairs = []
    for i in range(N_TIME):
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            writer = through_writer(Path(fresh) / "run", seed + i, n_segment)
            pairs.append({"writer": writer, "plain": plain_files(Path(fresh), seed + i, n_segment)})
    return {"bytes_per_second": pairs, "ratio": statistics.median(p["writer"] / p["plain"] for p in pairs)}


def opening(seed: int, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Milliseconds to open, and to read a trajectory and a segment once it is open."""
    from memlens.recording import open as open_recording

    path = _nano_run(seed, config, folder)
    slot = "context.hook_slot"
    recording = open_recording(path)
    n = min(200, recording.segments.sizes["segment"])
    return {
        "n_segment": n,
        "open_ms": _median_ms(lambda: open_recording(path)),
        "trajectory_ms": _median_ms(lambda: recording[slot][0, :n, 5].values),
        "segment_ms": _median_ms(lambda: recording.segment(n // 2)),
    }


def _median_ms(call: Callable[[], Any]) -> float:
    call()
    took = []
    for _ in range(N_TIME):
        start = time.perf_counter()
        call()
        took.append(1e3 * (time.perf_counter() - start))
    return round(statistics.median(took), 3)


def _nano_run(seed: int, config: Mapping[str, Any], folder: Path) -> Path:
    """A recording of nano over a stream of the swept length, made once a seed."""
    from memlens.recording import record
    from memlens.streams import builtin_stream

    path = folder / f"nano-{seed}"
    if not path.exists():
        record(str(NANO), builtin_stream("builtin", n_token=config["swept"], seed=seed), path)
    return path


def swept(seed: int, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A sweep over forced actions spread over the stream, over one plain pass; of both the time on the same stream."""
    import numpy as np

    from analyses.recording_cost.arms import by_hand, seconds
    from memlens.interventions import sweep
    from memlens.model import load_memory_model
    from memlens.recording import open as open_recording

    recording, model = open_recording(_nano_run(seed, config, folder)), load_memory_model(NANO)
    rows = recording.decisions
    rng = np.random.default_rng(seed)
    picks = np.sort(rng.choice(rows.sizes["decision"], config["n_forced"], replace=False))
    allowed = np.isfinite(rows["q"].values[picks])
    executed = rows["executed"].values[picks]
    places = []
    for at, can, done in zip(picks, allowed, executed, strict=True):
        others = [a for a in range(can.size) if can[a] and a != done] or [int(done)]
        action = str(rows["action"].values[rng.choice(others)])
        places.append((int(rows["segment"].values[at]), int(rows["entry"].values[at]), action))
    [stream] = recording.streams()
    once = seconds(lambda: by_hand(model, stream))
    took = seconds(lambda: sweep(model, recording, places))
    return {"places": len(places), "pass": once, "sweep": took, "passes": took["seconds"] / once["seconds"]}


PARTS: dict[str, Callable[[int, Mapping[str, Any], Path], dict[str, Any]]] = {
    "memory": memory, "durable": durable, "open": opening, "sweep": swept,
}  # fmt: skip
