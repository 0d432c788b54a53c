"""CONTRIBUTING.md followed to the letter, in a copy of the checkout, adds an analysis that is everywhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAME, TITLE, QUESTION = (
    "answer_loss",
    "Loss of answers",
    "Do answers get worse the longer ago their facts were stated?",
)


def steps() -> list[tuple[str, str, str]]:
    """The steps of the example: a path, where the block goes, the block."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Add an analysis", 1)[1]
    found = re.findall(r"^### \d\. `([^`]+)`, (.+?)\n(?:.*?\n)??(`{3,4})\w+\n(.*?)^\3$", text, re.M | re.S)
    return [(path, where, block) for path, where, _, block in found]


def apply(folder: Path) -> None:
    """Put every block where its heading says."""
    for path, where, block in steps():
        file = folder / path
        if where == "a new file":
            assert not file.exists(), f"{path} is there already"
            file.write_text(block, encoding="utf-8")
        elif where == "at the end":
            file.write_text(file.read_text(encoding="utf-8") + block, encoding="utf-8")
        else:
            [tuple_name] = re.findall(r"the last entry of `(\w+)`", where)
            head, start, rest = file.read_text(encoding="utf-8").partition(f"\n{tuple_name} = (\n")
            entries, end, tail = rest.partition("\n)\n")
            file.write_text(f"{head}{start}{entries}\n{block.rstrip()}{end}{tail}", encoding="utf-8")


def python(folder: Path, *words: str) -> str:
    """What python says, run with the copy's memlens."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, without weights, to which the steps were applied."""
    folder = tmp_path_factory.mktemp("contributing") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        source, target = ROOT / name, folder / name
        if not os.path.lexists(source):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    apply(folder)
    return folder


def test_an_analysis_is_five_files() -> None:
    paths = [path for path, _, _ in steps()]
    assert len(set(paths)) == len(paths) == 5


def test_the_example_passes_the_checks_of_its_kind(copy: Path) -> None:
    """Lint and format, the tests of the catalogue and of the docs, its figure, and its grades."""
    paths = [path for path, _, _ in steps() if path.endswith(".py")]
    python(copy, "-m", "ruff", "check", *paths)
    python(copy, "-m", "ruff", "format", "--check", *paths)
    told = python(
        copy, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider",
        "tests/test_catalogue.py", "tests/test_docs.py", "tests/figures/test_figures.py", "tests/testing/test_grading.py",
        "-k", f"{NAME} or packages or every_figure or titles or one_of_its_parameters or paragraph or themes or links or named_apart",
    )  # fmt: skip
    assert "passed" in told


CHECK = rf"""
import re
import sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
import memlens
from memlens import analysis, figures
from memlens.testing import planted_recording
from memlens.testing.cases import cases
from memlens.testing.cases.answers import growing

assert Path(memlens.__file__).is_relative_to(Path.cwd())
assert "{NAME}" in dir(analysis)
assert {{case.kind for case in cases() if case.analysis == "{NAME}"}} == {{"positive", "negative", "refusal"}}

[*_, block] = re.findall(r"^```python runnable\n(.*?)^```$", Path("docs/analyses.md").read_text(encoding="utf-8"), re.M | re.S)
assert "{NAME}" in block
exec(block, {{"analysis": analysis, "figures": figures}})

recording = planted_recording(Path("planted"), n_segment=24)
report = memlens.write_report(recording, "report", analyses=["{NAME}"])
page = (report / "report.html").read_text(encoding="utf-8")
assert "{TITLE}" in page and "{QUESTION}" in page and "rank correlation of" in page
assert (report / "figures/{NAME}.png").exists() and (report / "data/{NAME}.json").exists()

sys.argv[1:] = ["planted"]
test = AppTest.from_file("dashboard/app.py", default_timeout=60)
test.run()
test.switch_page("analyses.py").run()
test.selectbox(key="analysis").set_value("{NAME}").run()
assert not test.exception and not test.error and not test.info, (test.exception, test.error, test.info)
assert len(test.get("plotly_chart")) == 1
assert any("rank correlation of" in caption.value for caption in test.caption)
"""


def test_the_example_is_in_the_command_a_report_and_the_dashboard(copy: Path) -> None:
    listed = python(copy, "-m", "memlens", "analyse", "--list")
    assert re.search(rf"^{NAME} .*{re.escape(QUESTION)}", listed, re.M)
    python(copy, "-c", CHECK)
