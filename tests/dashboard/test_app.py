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


def test_analyses_are_listed_run_and_told_in_words(run: Path) -> None:
    from memlens.catalogue import CATALOGUE

    test = app(run, "analyses.py")
    assert not test.exception
    assert not test.error
    assert test.title[0].value == "Analyses"
    assert list(test.dataframe[0].value["analysis"]) == [analysis.name for analysis in CATALOGUE]
    offered = test.selectbox(key="analysis")
    assert offered.options == [one.question for one in CATALOGUE if not one.needs]
    offered.set_value("survival").run()
    assert not test.exception
    assert len(test.get("plotly_chart")) == 1
    assert any("entries" in caption.value for caption in test.caption)


def test_an_analysis_that_cannot_run_says_why(run: Path) -> None:
    test = app(run, "analyses.py")
    test.selectbox(key="analysis").set_value("efficiency").run()
    assert not test.exception
    assert len(test.get("plotly_chart")) == 0
    assert "model" in test.info[0].value
