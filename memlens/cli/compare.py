"""``memlens compare PARENT CHILD``."""

from argparse import Namespace
from typing import Any

from memlens.cli.say import say, say_json


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "compare",
        help="say what differs between two recordings of one stream",
        description="Say what differs between two recordings of one stream: where it begins, and what came of it.",
    )
    parser.add_argument("parent", metavar="PARENT", help="folder of a recording")
    parser.add_argument("child", metavar="CHILD", help="folder of another, such as a replay of it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, interrupted="")


def run(args: Namespace) -> None:
    """Print what differs."""
    from memlens.cli import locate, table
    from memlens.interventions import compare

    parent, child = (locate.opened(folder) for folder in (args.parent, args.child))
    found = compare(parent, child).summary()
    if args.json:
        say_json(found)
        return
    first, distances = found.pop("first"), found.pop("by_distance")
    begins = "nothing differs" if first is None else f"segment {first['segment']}, {first['point']}"
    points = ", ".join(found.pop("points_changed")) or "none"
    table.pairs({"first difference": begins, "points changed": points,
                 **{name.replace("_", " "): value for name, value in found.items()}})  # fmt: skip
    if distances:
        say()
        rows = [(f"{d['low']:,} to {d['high']:,}", d["n"], d["loss_change"], d["correct_change"]) for d in distances]
        table.show(("distance of the fact", "questions", "loss change, nat/token", "exactness change"), rows)
