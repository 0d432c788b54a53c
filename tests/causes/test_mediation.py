import numpy as np
import pytest

from memlens.causes import mediation
from memlens.errors import AnalysisError


@pytest.mark.parametrize(("kind", "path"), [("stored", "store"), ("worked", "working memory")])
def test_the_one_part_that_holds_the_fact_carries_it_all(kind, path, request):
    recording, model = request.getfixturevalue(kind)
    found = mediation(recording, model)
    for name in ("share", "share_restored"):
        for part in found["path"].values:
            assert float(found[name].sel(path=part)) == pytest.approx(float(part == path), abs=1e-3)
    assert float(found["total_p"]) <= 0.05 and float(found["remainder"]) == pytest.approx(0, abs=1e-3)
    assert np.nanmax(np.abs(found["null_total"].values)) == 0


def test_of_no_total_there_are_no_shares():
    from memlens.testing.cases.causes import unheard

    recording, given = unheard(0)
    found = mediation(recording, **given, questions=10, within=2)
    assert float(found["total_mean"]) == 0 and float(found["total_p"]) == 1
    assert np.isnan(found["share"].values).all()


def test_a_stretch_of_no_segments_is_refused(stored):
    recording, model = stored
    with pytest.raises(AnalysisError, match="within is 0"):
        mediation(recording, model, within=0)
