"""The ``memlens`` command: argument parsing, one file a command."""

from memlens.cli.main import main

__all__ = ["main"]
