"""The catalogue is the one list: packages, figures and results are those that it names, and wrong input is one typed error."""

import json
from pkgutil import iter_modules

import pytest

import memlens.analysis
import memlens.causes
from memlens import figures
from memlens.catalogue import CATALOGUE, find, run
from memlens.errors import AnalysisError, RecordingError
from memlens.report import write_report

NAMES = [analysis.name for analysis in CATALOGUE]


def test_packages_hold_what_the_catalogue_names():
    assert len(set(NAMES)) == len(NAMES)
    for package in (memlens.analysis, memlens.causes):
        own = {analysis.name for analysis in CATALOGUE if analysis.home == package.__name__}
        assert set(dir(package)) == own
        for name in own:
            assert getattr(package, name) is find(name).function
    files = {module.name for module in iter_modules(memlens.analysis.__path__) if not module.ispkg}
    assert files == set(dir(memlens.analysis))


def test_every_analysis_has_a_figure_and_every_figure_an_analysis():
    assert set(figures.FIGURES) == {f"plot_{name}" for name in NAMES}
    assert all(callable(getattr(figures, name)) for name in dir(figures) if name.startswith("plot"))


def test_titles_and_questions_are_there_and_told_apart():
    for words in ("title", "question"):
        assert len({getattr(analysis, words) for analysis in CATALOGUE}) == len(CATALOGUE)
    assert all(analysis.question.endswith("?") and analysis.title for analysis in CATALOGUE)


def test_what_an_analysis_needs_is_one_of_its_parameters():
    from inspect import signature

    for analysis in CATALOGUE:
        parameters = signature(analysis.function).parameters
        without_default = {key for key, value in parameters.items() if value.default is value.empty}
        assert without_default == {"recording", *analysis.needs}


@pytest.mark.parametrize("name", NAMES)
def test_every_result_says_where_it_comes_from(results, name):
    found = results[name]
    assert found.attrs["analysis"] == name
    assert found.attrs["recording"] == "recording-1"
    assert found.attrs["n"] > 0
    assert set(results.params(name)) - {"other", "sweep", "model"} <= set(json.loads(found.attrs["params"]))


def test_what_runs_the_model_says_that_it_needs_it(recording):
    with pytest.raises(AnalysisError, match="give --model DIR"):
        run("effects", recording)


def test_wrong_names_list_the_closest(recording):
    with pytest.raises(AnalysisError, match="retention"):
        find("retentoin")
    with pytest.raises(AnalysisError, match="bins"):
        run("retention", recording, bin=3)
    with pytest.raises(AttributeError, match="closest: retention"):
        memlens.analysis.retentoin  # noqa: B018
    with pytest.raises(AttributeError, match="closest: effects"):
        memlens.causes.effect  # noqa: B018


def test_what_is_missing_is_named(recording):
    with pytest.raises(AnalysisError, match="slot_history needs segment, slot; give segment="):
        run("slot_history", recording, sequence=0)


@pytest.mark.parametrize("given", ["r1", 5, None])
def test_what_is_no_recording_is_refused(given, tmp_path):
    with pytest.raises(RecordingError, match=r"expected a recording: memlens\.open"):
        run("retention", given)
    with pytest.raises(RecordingError, match=r"expected a recording: memlens\.open"):
        write_report(given, tmp_path / "report")
    assert not (tmp_path / "report").exists()
