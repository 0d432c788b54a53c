"""The dashboard's pages run on a planted recording, from the first page to a picked slot."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "dashboard" / "app.py"


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Streamlit leaves the page as ``__main__``, which a process that is spawned later would import."""
    monkeypatch.setattr("sys.argv", ["app.py"])
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def app(folder: Path | str, page: str | None = None, asked: str = "") -> AppTest:
    """The dashboard as it is started on a folder, with ``?run=`` in its address."""
    sys.argv[1:] = [str(folder)] if folder else []
    test = AppTest.from_file(str(APP), default_timeout=60)
    if asked:
        test.query_params["run"] = asked
    test.run()
    if page:
        test.switch_page(page).run()
    return test


def test_without_a_recording_it_says_how_to_start() -> None:
    test = app("")
    assert not test.exception
    assert "memlens open" in test.sidebar.info[0].value


def test_a_folder_offers_its_recordings_and_opens_them_by_id(run: Path, tmp_path: Path) -> None:
    from memlens import recording
    from memlens.testing import planted_recording

    planted_recording(tmp_path / "a")
    planted_recording(tmp_path / "b")
    (tmp_path / "c").symlink_to(run)
    ids = [recording.open(tmp_path / name).id for name in "ab"]
    test = app(tmp_path, asked=ids[1])
    assert not test.exception and not test.error
    assert test.selectbox(key="run").options == ["a", "b"]
    assert test.selectbox(key="run").value == ids[1]
    assert any(ids[1] in caption.value.replace("\\", "") for caption in test.sidebar.caption)


def test_the_address_opens_and_tells_nothing_outside_the_folder(run: Path, tmp_path: Path) -> None:
    """A path that is there, one that is not, one by way of .. and the id of another recording: the same answer to all."""
    from memlens import recording
    from memlens.testing import planted_recording

    planted_recording(tmp_path / "other")
    elsewhere = recording.open(tmp_path / "other").id
    told = set()
    for asked in (str(tmp_path / "other"), "/nowhere/at/all", "/etc/passwd", f"{run}/../run", "..", elsewhere):
        test = app(run, asked=asked)
        assert not test.exception and not test.error and not test.title
        assert not test.text_input
        told.add(test.sidebar.warning[0].value)
    assert len(told) == 1


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


def test_hostile_text_stays_text(hostile: Path) -> None:
    """Names with markup, Markdown, formulas and escapes are shown as they are; nothing of them is interpreted."""
    for page in (None, "slots.py", "analyses.py"):
        test = app(hostile, page)
        assert not test.exception and not test.error
        shown = [*test.markdown, *test.caption, *test.sidebar.caption, *test.info]
        assert not any("<img" in one.value.replace("\\<", "") for one in shown)
        assert any("<img" in one.value for one in test.sidebar.text)
        assert not any(one.allow_html for one in test.markdown)
