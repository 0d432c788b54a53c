"""Numbers on the command line."""

from argparse import ArgumentTypeError

import pytest

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
