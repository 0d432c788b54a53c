"""The dashboard's pages run on a planted recording, from the first page to a picked slot."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "dashboard" / "app.py"


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit leaves the page as ``__main__``, which a process that is spawned later would import."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def app(run: Path | str, page: str | None = None) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=60)
    test.query_params["run"] = str(run)
    test.run()
    if page:
        test.switch_page(page).run()
    return test


def test_without_a_recording_it_asks_for_one() -> None:
    test = app("")
    assert not test.exception
    assert "memlens record" in test.sidebar.info[0].value


def test_a_wrong_folder_is_one_message(tmp_path: Path) -> None:
    test = app(tmp_path / "nowhere")
    assert not test.exception
    assert len(test.error) == 1


def test_timeline(run: Path) -> None:
    test = app(run)
    assert not test.exception
    assert not test.error
    assert test.title[0].value == "Timeline"
    low, high = test.slider(key="segments").value
    test.slider(key="segments").set_value((low + 1, high)).run()
    assert not test.exception


def test_slots(run: Path) -> None:
    test = app(run, "slots.py")
    assert not test.exception
    assert not test.error
    assert test.title[0].value == "Slots"
    test.number_input(key="segment").set_value(1).run()
    test.number_input(key="slot").set_value(2).run()
    assert not test.exception
    assert not test.error
