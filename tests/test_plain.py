"""Text from data is shown, not obeyed: in a terminal, in a spreadsheet, on a page, in a PDF."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from memlens.plain import csv_cell, plain, plain_lines

#: Clears the screen, sets the title of the window, a C1 control, a bidirectional override, and line ends that fake a line.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egood\u2066\x7f\r\nmemlens: all is good"
OBEYED = "\x1b\x07\x9b\u202e\u2066\x7f\r"


def test_no_control_character_is_left() -> None:
    everything = "".join(map(chr, [*range(0x2100), *range(0xD800, 0xE000), *range(0xFFF0, 0x10000)]))
    assert plain(everything).isprintable()
    assert plain("Grüße, 世界 \\ =1") == "Grüße, 世界 \\ =1"
    assert plain("a\x1bb\u202e") == "a\\x1bb\\u202e"
    assert plain_lines("a\nb\x1b") == "a\nb\\x1b"


def test_the_command_prints_no_control_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from memlens.cli import main
    from memlens.cli.arguments import warnings_in_one_line
    from memlens.cli.progress import progress
    from memlens.testing import write_recording

    monkeypatch.chdir(tmp_path)
    folder = "run\x1b[31m\u202e"
    stream = {"name": HOSTILE, "seed": 0, "config": {}, "sha256": ""}
    write_recording(
        tmp_path / folder,
        n_segment=4,
        attrs={"model": HOSTILE, "policy": HOSTILE, "command": HOSTILE, "stream": stream},
    )
    for words in (["info", folder], ["info", folder, "--json"], ["verify", folder], ["info", HOSTILE], [HOSTILE]):
        main(words)
    monkeypatch.setenv("MEMLENS_DEBUG", "1")
    main(["report", f"nowhere{HOSTILE}", "-o", "out"])
    with progress() as show:
        show(1, 1, f"record: {HOSTILE}")
    with warnings_in_one_line():
        import warnings

        warnings.warn(HOSTILE, stacklevel=1)
    said = "".join(capsys.readouterr())
    assert not set(said) & set(OBEYED)
    assert "\\x1b[2J" in said


def test_the_progress_bar_sends_no_control_character_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    from memlens.cli.progress import progress

    terminal, end = os.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    with open(end, "w", encoding="utf-8") as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        with progress() as show:
            show(1, 1, f"record{HOSTILE}", {HOSTILE: 1.0})
        stderr.flush()
        shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert "\x1b[2J" not in shown and "\x1b]0" not in shown
    assert not set(shown) & set("\x07\x9b\u202e\u2066\x7f")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_formula_becomes_text_in_a_csv(tmp_path: Path, start: str) -> None:
    from memlens.report.files import write_data

    text = f"{start}1+cmd|' /C calc'!A0, \"x\""
    dataset = xr.Dataset(
        {
            "token": ("row", np.array([text, "plain"], dtype=object)),
            "loss": ("row", [-1.5, 2.0]),
            "best": text,
            "n": -3,
        },
        coords={"name": ("row", [text, "other"])},
    )
    written = write_data(dataset, "table", tmp_path / "data")
    with written[1].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["token"] == rows[0]["name"] == f"'{text}"
    assert [row["loss"] for row in rows] == ["-1.5", "2.0"]
    assert rows[1]["token"] == "plain"
    with written[2].open(encoding="utf-8", newline="") as file:
        scalars = dict(csv.reader(file))
    assert scalars == {"name": "value", "best": f"'{text}", "n": "-3"}
    assert csv_cell(-1) == -1


def test_hostile_text_stays_text_in_the_report(tmp_path: Path) -> None:
    """Markup that would run, and mathematics that matplotlib cannot set, as names, words and answers."""
    from memlens.report import write_report
    from memlens.testing import write_recording

    text = r"<script>alert(1)</script> $\frac{$ </style> =1" + HOSTILE
    n = 24
    recording = write_recording(
        tmp_path / "run",
        points={"context.hook_slot": np.random.default_rng(0).normal(size=(1, n, 16, 8))},
        vocab=[text] * 64,
        questions={
            "segment": np.arange(n), "text": [text] * n, "answer": [text] * n, "predicted": [text] * n, "group": [text] * n,
        },
        attrs={"model": text, "policy": text, "command": text, "stream": {"name": text, "seed": 0, "config": {}, "sha256": ""}},
    )  # fmt: skip
    written = write_report(recording, tmp_path / "report", analyses=["retention", "clusters", "occupancy"])
    page = (written / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert (written / "report.pdf").read_bytes().startswith(b"%PDF")
