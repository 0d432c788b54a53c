"""``memlens verify RUN``."""

from argparse import Namespace
from typing import Any

from memlens.cli.say import say, say_json


def add(commands: Any) -> None:
    """Add this command."""
    parser = commands.add_parser(
        "verify",
        help="re-read a recording and say what is damaged",
        description="Re-read a recording and say what is damaged, and which segments are still as they were written. "
        "Exit code 0: all is good; 1: something is damaged; 2: there is no recording.",
    )
    parser.add_argument("run_folder", metavar="RUN", help="folder of a recording")
    parser.add_argument("--model", metavar="MODEL", help="the model that was recorded, to compare its weights")
    parser.add_argument("--parent", metavar="RUN", help="the recording that this one was made from, to compare its id")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.set_defaults(run=run, interrupted="")


def run(args: Namespace) -> int:
    """Verify, print, and say by the exit code whether all is good."""
    from memlens.cli import locate
    from memlens.recording.integrity.verify import verify

    found = verify(
        locate.recording(args.run_folder),
        model=locate.model(args.model) if args.model else None,
        parent=locate.recording(args.parent) if args.parent else None,
    )
    say_json(found.to_dict()) if args.json else say(found)
    return 0 if found.ok else 1
