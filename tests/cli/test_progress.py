"""Progress without a terminal: few plain lines, always the last one."""

import pytest

from memlens.cli.progress import progress


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as show:
        for done in range(1, 1001):
            show(done, 1000, "record")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["record: 1,000 of 1,000 (0 s)"]
