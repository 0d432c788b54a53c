"""The command's only way to a terminal: lines in which no character of the data is obeyed, and JSON."""

import json
import sys
from typing import Any

from memlens.plain import plain_lines


def say(text: object = "", *, stderr: bool = False, flush: bool = False) -> None:
    """Print a text; its control, escape and bidirectional characters are shown, not sent.

    Parameters
    ----------
    text : object
        Its `str` is printed; line ends stay.
    stderr, flush : bool
        Whether to print there instead, and at once.
    """
    print(plain_lines(text), file=sys.stderr if stderr else sys.stdout, flush=flush)


def say_json(value: Any) -> None:
    """Print a value as JSON, all of it in visible ASCII."""
    print(json.dumps(value, indent=2).replace("\x7f", "\\u007f"))
