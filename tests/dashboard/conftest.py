"""One planted recording for all tests of the dashboard."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from memlens.testing import planted_recording

    path = tmp_path_factory.mktemp("dashboard") / "run"
    planted_recording(path)
    return path
