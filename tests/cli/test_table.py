"""Tables on stdout."""

import pytest

from memlens.cli import table


def test_numbers_are_right_aligned_and_control_characters_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    table.show(("name", "n"), [("a\x1b[31m", 1), ("b", 12345)])
    assert capsys.readouterr().out.splitlines() == [
        "name            n",
        "---------  ------",
        "a\\x1b[31m       1",
        "b          12,345",
    ]


def test_missing_numbers_are_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    table.show(("accuracy",), [(float("nan"),), (0.5,)])
    assert capsys.readouterr().out.splitlines()[2:] == ["       -", "   0.500"]
