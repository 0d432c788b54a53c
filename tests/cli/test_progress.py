"""Progress without a terminal: few plain lines, always the last one."""

import os
import re
import termios

import pytest

from memlens.cli.progress import progress


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as show:
        for done in range(1, 1001):
            show(done, 1000, "record")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["record: 1,000 of 1,000 (0 s)"]


def test_figures_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a pseudo-terminal: a bar with the time left, and under it the figures, the last ones of each name."""
    terminal, slave = os.openpty()
    termios.tcsetwinsize(slave, (40, 120))
    monkeypatch.setenv("TERM", "xterm-256color")
    with open(slave, "w", encoding="utf-8") as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        with progress() as show:
            show(1, 4, "memory phase: stage 0", {"loss": 2.5, "gate_saturation": 0.125})
            show(2, 4, "memory phase: stage [1]", {"loss": 1.25, "gate_saturation": 0.25})
            show(1, 3, "Q phase: round 1")
        stderr.flush()
        shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    last = text.rpartition("memory phase: stage [1]")[2]
    assert "2/4" in last and re.search(r"\d:\d\d:\d\d|-:--:--", last)
    assert "Q phase: round 1" in last
    assert re.search(r"loss +1\.25 +gate_saturation +0\.25", last)


def test_plain_lines_leave_the_figures_out(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as show:
        show(4, 4, "memory phase: loss 1.250", {"gate_saturation": 0.25})
    assert capsys.readouterr().err == "memory phase: loss 1.250: 4 of 4 (0 s)\n"
