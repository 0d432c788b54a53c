"""``memlens points [MODEL]``."""

from argparse import Namespace
from typing import Any


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser("points", help="list the hook points", description="List the hook points of a model.")
    parser.add_argument("model", metavar="MODEL", nargs="?", help="model folder or name; without it, the default sizes")
    parser.set_defaults(run=run, interrupted="")


def run(args: Namespace) -> None:
    """Print one row a point."""
    from memlens.cli import locate, table
    from memlens.config import ModelConfig
    from memlens.model.points import points

    config = ModelConfig()
    if args.model is not None:
        from memlens.model.checkpoint import load_config

        config = load_config(locate.model(args.model))
    rows = [
        (p.name, p.group, "(" + ", ".join(p.dims) + ")", p.unit, "yes" if p.recorded else "", p.meaning)
        for p in points(config)
    ]
    table.show(("point", "group", "dims after (sequence, segment)", "unit", "recorded", "meaning"), rows)
