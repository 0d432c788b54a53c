"""Parse the command line, run one command, and turn every failure into one line and an exit code.

====  ======================================================
code  meaning
====  ======================================================
0     done
1     a bug in memlens; of ``verify``: the recording is damaged
2     the input cannot be used: arguments, files, data
130   interrupted
141   whoever read the output went away
====  ======================================================
"""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from memlens import __version__
from memlens.cli import (
    analyse,
    compare,
    demo,
    evaluate,
    export,
    info,
    open_run,
    points,
    record,
    replay,
    report,
    sweep,
    train,
    verify,
)
from memlens.cli.say import say
from memlens.errors import MemlensError, closest
from memlens.plain import plain

COMMANDS = (
    demo, record, replay, compare, sweep, verify, export, open_run, analyse, report, info, points, evaluate, train,
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; a wrong command names the closest ones."""

    def error(self, message: str) -> NoReturn:
        say(f"memlens: error: {plain(message)} (see {self.prog} --help)", stderr=True)
        raise SystemExit(2)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            near = closest(str(value), map(str, action.choices))
            raise argparse.ArgumentError(action, f"'{value}' is none of the choices; {near}")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    top = Parser(prog="memlens", description="Look inside learned memory.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"memlens {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", dest="command", required=True, parser_class=Parser)
    for command in COMMANDS:
        command.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` asks for and return its exit code."""
    try:
        args = parser().parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    try:
        code = args.run(args) or 0
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return _fail(f"memlens: interrupted{args.interrupted}", 130)
    except MemlensError as error:
        return _fail(f"memlens: error: {_line(error)}", 2)
    except OSError as error:
        if error.strerror is None:
            return _bug(error)
        where = f"'{error.filename}': " if error.filename else ""
        return _fail(f"memlens: error: {where}{error.strerror}", 2)
    except Exception as error:
        return _bug(error)
    return code


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _fail(message: str, code: int) -> int:
    if os.environ.get("MEMLENS_DEBUG") == "1":
        say(traceback.format_exc(), stderr=True)
    say(plain(message), stderr=True)
    return code


def _bug(error: Exception) -> int:
    hint = "" if os.environ.get("MEMLENS_DEBUG") == "1" else "; MEMLENS_DEBUG=1 shows the traceback"
    return _fail(f"memlens: this is a bug: {type(error).__name__}: {_line(error)}{hint}", 1)
