"""``memlens info RUN_OR_MODEL``."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from memlens.cli.say import say, say_json
from memlens.plain import plain


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "info",
        help="say what a recording or a model is",
        description="Say what a recording or a model is, how well it did, what is in it, and what to do next.",
    )
    parser.add_argument(
        "what", metavar="RUN_OR_MODEL", help="folder of a recording or a model, or a trained model's name"
    )
    parser.add_argument("--json", action="store_true", help="print all that is known as JSON")
    parser.set_defaults(run=run, interrupted="")


def run(args: Namespace) -> None:
    """Print what is known, for people or for machines."""
    from memlens.cli import locate, table

    if (Path(args.what) / "config.json").is_file() or not Path(args.what).exists():
        from memlens.cli import model_info as info

        facts = info.facts(locate.model(args.what))
    else:
        from memlens.cli import recording_info as info

        facts = info.facts(locate.opened(args.what))
    if args.json:
        say_json(facts)
        return
    title, rows, commands = info.reading(facts, args.what)
    say(f"{plain(title)}\n")
    table.wrapped(rows)
    say("\nWhat to do next:")
    table.pairs(commands, indent=2)
