import json

import pytest

from memlens.catalogue import CATALOGUE, find, run
from memlens.errors import AnalysisError

from .planted import inputs


@pytest.mark.parametrize("name", [analysis.name for analysis in CATALOGUE])
def test_every_result_says_where_it_comes_from(recording, name):
    held, params = inputs(name, recording)
    found = run(name, held, **params)
    assert found.attrs["analysis"] == name
    assert found.attrs["recording"] == "recording-1"
    assert found.attrs["n"] > 0
    assert set(params) - {"other", "sweep", "model"} <= set(json.loads(found.attrs["params"]))


def test_what_runs_the_model_says_that_it_needs_it(recording):
    with pytest.raises(AnalysisError, match="give --model DIR"):
        run("effects", recording)


def test_wrong_names_list_the_closest(recording):
    with pytest.raises(AnalysisError, match="retention"):
        find("retentoin")
    with pytest.raises(AnalysisError, match="bins"):
        run("retention", recording, bin=3)
