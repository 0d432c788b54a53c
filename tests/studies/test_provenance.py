"""Commands and fingerprints of results name code and settings, and no path of the machine."""

from pathlib import Path

from analyses.analysis_cost.study import TIMED
from analyses.common import provenance
from analyses.common.results import ROOT


def test_commands_name_no_path_outside() -> None:
    argv = ["--quick", "-o", "/tmp/somewhere/mine", f"--model={ROOT}/trained_models/nano", "--out=/tmp/x/y", "3"]
    got = provenance.command_of("efficiency", argv)
    assert got == "python -m analyses.efficiency --quick -o mine --model=trained_models/nano --out=y 3"


def test_fingerprint_of_files_sees_every_change(tmp_path: Path) -> None:
    one, two = tmp_path / "a.py", tmp_path / "b.py"
    one.write_text("x"), two.write_text("y")
    before = provenance.digest([one, two])
    assert provenance.digest([two, one]) == before
    one.write_text("y"), two.write_text("x")
    assert provenance.digest([one, two]) != before


def test_sources_are_those_of_the_study() -> None:
    assert {path.name for path in provenance.sources("retention")} >= {"study.py", "verdict.py", "__main__.py"}
    assert all((ROOT / "memlens" / "analysis" / "support" / f"{name}.py").exists() for name in TIMED)
