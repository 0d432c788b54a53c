"""Numbers on the command line."""

import os
from argparse import ArgumentParser, ArgumentTypeError

import pytest
import torch

from memlens.cli import arguments

GOOD = {"1": 1, "100000": 100_000, "100K": 100_000, "1.5k": 1500, "2M": 2_000_000}


@pytest.mark.parametrize(("text", "value"), GOOD.items())
def test_count(text: str, value: int) -> None:
    assert arguments.count(text) == value


def test_length_may_be_nothing() -> None:
    assert arguments.length("0") == 0 and arguments.length("8K") == 8_000
    with pytest.raises(ArgumentTypeError):
        arguments.length("-1")


@pytest.mark.parametrize("text", ["", "K", "0", "-1", "1.5", "0.0001K", "nan", "nanK", "1e400M", "ten", "1G"])
def test_count_refuses(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        arguments.count(text)


def threads_of(monkeypatch: pytest.MonkeyPatch, given: list[str], env: str | None) -> tuple[str, int]:
    """What ``use_threads`` leaves in the environment, and torch's threads after it."""
    monkeypatch.setenv("OMP_NUM_THREADS", env or "")
    parser = ArgumentParser()
    arguments.add_threads(parser)
    before = torch.get_num_threads()
    try:
        arguments.use_threads(parser.parse_args(given))
        return os.environ["OMP_NUM_THREADS"], torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def test_threads_are_one_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_of(monkeypatch, [], None) == ("1", 1)
    assert threads_of(monkeypatch, [], "2") == ("2", 2)
    assert threads_of(monkeypatch, ["--threads", "2"], "1") == ("2", 2)
