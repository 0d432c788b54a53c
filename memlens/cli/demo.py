"""``memlens demo``: 100K tokens through the trained model, recorded and reported."""

import json
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memlens import __version__
from memlens.cli import arguments
from memlens.cli.say import say

if TYPE_CHECKING:
    from memlens.recording.reading.info import RecordingInfo

MODEL = "base"
STREAM = "builtin"
N_TOKEN = 100_000
SEED = 0
#: A folder with this file in it was written by this command, and may be written again.
MARKER = "demo.json"


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "demo",
        help="stream 100K tokens through the trained model, record, write the report",
        description="Stream 100K tokens through the trained model, record what its memory did, write the report.",
    )
    parser.add_argument("-o", "--out", metavar="DIR", default="runs/demo", help="folder of the run (runs/demo)")
    parser.add_argument(
        "--length", type=arguments.count, metavar="N", default=N_TOKEN, help="length of the stream, such as 10K (100K)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier demo in DIR; never anything else")
    arguments.add_threads(parser)
    arguments.add_workers(parser)
    parser.set_defaults(run=run, interrupted="; run the same command again with --overwrite")


def run(args: Namespace) -> None:
    """Record, report, and print what was measured and where to look."""
    arguments.use_threads(args)
    out = Path(args.out)
    _prepare(out, args.overwrite, args.length)

    from memlens import analysis, recording, report, streams
    from memlens.cli import locate
    from memlens.cli.progress import progress
    from memlens.model.checkpoint import load_memory_model

    model = load_memory_model(locate.model(MODEL))
    stream = streams.builtin_stream(STREAM, n_token=args.length, seed=SEED)
    with progress() as show:
        recording.record(model, stream, out / "recording", recording.RecordOptions(progress=show))
        recorded = recording.open(out / "recording")
        written = report.write_report(recorded, out / "report", model=model, workers=args.workers, progress=show)
    _summary(recorded.info, analysis.retention(recorded))
    say(f"\nreport:     {written / 'report.html'}")
    say(f"recording:  {out / 'recording'}")
    say(f"dashboard:  memlens open {out}")


def _prepare(out: Path, overwrite: bool, n_token: int) -> None:
    """Make ``out`` an empty demo folder, removing an earlier demo only, and only when asked to."""
    from memlens.errors import RecordingError

    if out.exists():
        if not (out / MARKER).is_file():
            what = f"was not written by 'memlens demo' (it has no {MARKER})" if overwrite else "exists already"
            raise RecordingError(f"'{out}' {what}; choose another folder with -o")
        if not overwrite:
            raise RecordingError(
                f"'{out}' exists already; choose another folder with -o, or --overwrite the earlier demo"
            )
        import shutil

        for name in ("recording", "report"):
            shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    settings = {"memlens": __version__, "model": MODEL, "stream": STREAM, "n_token": n_token, "seed": SEED}
    (out / MARKER).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _summary(info: "RecordingInfo", retention: Any) -> None:
    """Print accuracy by distance and modality, speed and memory."""
    from memlens.cli import table

    say(f"\n{info.n_token:,} tokens through '{info.model}', policy '{info.policy}'\n")
    say("Share of questions answered exactly, by distance and by what was asked for:\n")
    bins = zip(retention["bin_low"].values, retention["bin_high"].values, strict=True)
    names = [f"{low:,.0f} to {high:,.0f}" for low, high in bins]
    accuracy = retention["accuracy"].transpose("bin", "modality").values
    rows = [(name, *map(float, line)) for name, line in zip(names, accuracy, strict=True)]
    rows.append(("any distance", *map(float, retention["overall"].values)))
    table.show(("tokens back", *map(str, retention["modality"].values)), rows)
    table.show(
        ("questions", *map(str, retention["modality"].values)), [("all", *map(int, retention["overall_n"].values))]
    )
    speed = info.n_token / info.wall_seconds
    say(f"\n{speed:,.0f} tokens/s, peak memory {info.peak_rss_bytes / 2**20:,.0f} MiB")
