"""Who may import whom, and what must stay light."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imported_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after ``code``."""
    script = f"import sys\n{code}\nprint('MODULES', *{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_contracts_hold() -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


HEAVY = {
    "torch",
    "transformer_lens",
    "umap",
    "xarray",
    "pandas",
    "numpy",
    "plotly",
    "sklearn",
    "streamlit",
    "pydantic",
    "rich",
}


@pytest.mark.parametrize("code", ["import memlens", "from memlens.cli import main; assert main(['--help']) == 0"])
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    assert not imported_by(code) & HEAVY


@pytest.mark.parametrize("module", ["streams", "recording", "interventions", "analysis", "figures", "report"])
def test_reading_side_needs_no_torch(module: str) -> None:
    assert not imported_by(f"import memlens.{module}") & {"torch", "transformer_lens", "umap"}
