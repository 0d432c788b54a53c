"""One planted recording for all tests of the dashboard."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from memlens.testing import planted_recording

    path = tmp_path_factory.mktemp("dashboard") / "run"
    planted_recording(path)
    return path


#: Markup, Markdown, mathematics, a spreadsheet's formula, an escape sequence and a bidirectional override.
HOSTILE = "=1<img src=x onerror=alert(1)> [a](javascript:alert(1)) $\\frac{$ \x1b[31m\u202e"


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A planted recording whose names and texts are hostile."""
    import numpy as np

    from memlens.testing import write_recording

    path = tmp_path_factory.mktemp("hostile") / "<img src=x onerror=alert(2)>"
    random = np.random.default_rng(0)
    n = 24
    write_recording(
        path,
        points={"context.hook_slot": random.normal(size=(1, n, 16, 8))},
        vocab=[HOSTILE] * 64,
        questions={
            "segment": np.arange(n),
            "text": np.array([HOSTILE] * n, dtype=object),
            "answer": np.array([HOSTILE] * n, dtype=object),
            "predicted": np.array([HOSTILE] * n, dtype=object),
        },
        attrs={"model": HOSTILE, "policy": HOSTILE, "stream": {"name": HOSTILE, "seed": 0, "config": {}, "sha256": ""}},
    )
    return path
