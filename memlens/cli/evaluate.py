"""``memlens evaluate MODEL``."""

import math
from argparse import Namespace
from typing import Any

from memlens.cli import arguments
from memlens.cli.say import say, say_json


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure what a model recalls",
        description="Measure what a model recalls in the streams of a task, under each policy.",
    )
    parser.add_argument("model", metavar="MODEL", help="model folder, or the name of a trained model")
    parser.add_argument("--task", metavar="NAME", default="builtin", help="a task, or the built-in stream (builtin)")
    parser.add_argument("--length", type=arguments.length, metavar="N", help="stream length, such as 100K (the task's)")
    parser.add_argument(
        "--seeds", type=arguments.seed, metavar="N", nargs="+", default=[0], help="one stream a seed (0)"
    )
    parser.add_argument(
        "--policies", metavar="NAME", nargs="+", help="controller policies, compared with the first (the model's own)"
    )
    parser.add_argument(
        "--set", dest="options", metavar="KEY=VALUE", nargs="+", default=[], help="options of the task, as n_fact=16"
    )
    parser.add_argument("--split", choices=("train", "validation", "test"), default="test", help="whose keys (test)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--questions", action="store_true", help="with --json: every question too")
    arguments.add_threads(parser)
    parser.set_defaults(run=run, interrupted="")


def run(args: Namespace) -> None:
    """Evaluate and print one row a policy and slice, or everything as JSON."""
    arguments.use_threads(args)
    from memlens.cli import locate
    from memlens.cli.progress import progress
    from memlens.errors import ConfigError
    from memlens.streams import options

    if args.questions and not args.json:
        raise ConfigError("--questions adds to what --json prints; give both")
    given = options.parse(args.task, args.options)
    folder = locate.model(args.model)
    from memlens.training.evaluate import evaluate

    with progress() as show:
        evaluation = evaluate(
            folder,
            args.task,
            n_token=args.length,
            seeds=args.seeds,
            policies=args.policies,
            split=args.split,
            options=given,
            progress=show,
        )
    if args.json:
        say_json(evaluation.as_dict(questions=args.questions))
    else:
        _show(evaluation.as_dict())


def _show(measured: dict[str, Any]) -> None:
    """Print what was measured as a table."""
    from memlens.cli import table

    seeds = " ".join(map(str, measured["seeds"]))
    say(f"{measured['model']['name']}: {measured['task']}, {measured['n_token']:,} tokens, seeds {seeds}")
    say(
        f"{measured['tokens_per_second']:,.0f} tokens/s, peak memory {measured['peak_rss_bytes'] / 2**20:,.0f} MiB, "
        f"state {measured['state_bytes']:,} bytes a stream\n"
    )
    results = measured["results"]
    if "by_memory" in results[0]:
        head = ("policy", "without", "segments", "bytes", "bits/byte", "95 %", "lost", "95 % of lost")
        table.show(head, [_memory_row(entry["policy"], row) for entry in results for row in entry["by_memory"]])
        return
    head = ("policy", "slice", "n", "accuracy", "95 %", "loss", "f1", "behind the first")
    rows = [row for entry in results for row in _slice_rows(entry)]
    table.show(head, rows) if len(results) > 1 else table.show(head[:-1], [row[:-1] for row in rows])
    if any(row[4].endswith(" W") for row in rows):
        say("\nW: Wilson interval, where the bootstrap has no width")


def _slice_rows(entry: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows of one policy: over all, then over each slice where there is more than one."""
    named = [("all", entry["overall"])]
    slicings = [
        [(_distance(row), row) for row in entry["by_distance"]],
        [(f"depth {row['depth_low']:.1f} to {row['depth_high']:.1f}", row) for row in entry["by_depth"]],
        [(row["modality"], row) for row in entry["by_modality"]],
        [(row["group"] or "(no group)", row) for row in entry["by_group"]],
    ]
    for slicing in slicings:
        named += slicing if len(slicing) > 1 else []
    behind = entry["behind"]
    return [
        (
            entry["policy"],
            name,
            row["n"],
            row["accuracy"],
            _interval(row),
            row["loss"],
            row.get("f1", math.nan),
            f"{behind['accuracy']:+.3f} ({behind['low']:+.3f} to {behind['high']:+.3f})"
            if behind and name == "all"
            else "",
        )
        for name, row in named
    ]


def _distance(row: dict[str, Any]) -> str:
    low, high = row["distance_low"], row["distance_high"]
    return f"{low:,} back and more" if high is None else f"{low:,} to {high:,} back"


def _interval(row: dict[str, Any]) -> str:
    if row["low"] == row["high"]:
        return f"{row['wilson_low']:.3f} to {row['wilson_high']:.3f} W"
    return f"{row['low']:.3f} to {row['high']:.3f}"


def _memory_row(policy: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        policy,
        row["without"],
        row["n_segment"],
        row["n_byte"],
        row["bits_per_byte"],
        f"{row['low']:.3f} to {row['high']:.3f}",
        row["lost"],
        f"{row['lost_low']:+.3f} to {row['lost_high']:+.3f}",
    )
