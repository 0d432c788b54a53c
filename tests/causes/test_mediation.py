import numpy as np
import pytest

from memlens.causes import mediation
from memlens.causes.rerun import Rerun
from memlens.causes.token_replacement import TokenReplacement
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


def test_other_text_is_as_long_and_states_nothing(stored):
    recording, model = stored
    rerun = Rerun(recording, model)
    replacement, random = TokenReplacement(rerun), np.random.default_rng(0)
    fact = np.flatnonzero(rerun.stream.fact == 0)
    whole = rerun.segment(0, 2)
    changed = replacement.replace(whole, 1, 0, fact, random)
    assert (changed.token[0] == whole.token[0]).all()
    differs = np.flatnonzero((changed.token[1] != whole.token[1]).numpy())
    assert set(differs) == set(fact)
    other = replacement.plain_stretch(0, fact.size, random)
    assert other is not None and not set(other) & set(fact) and other.size == fact.size
    assert replacement.plain_stretch(0, 200, random) is None


def test_a_stretch_of_no_segments_is_refused(stored):
    recording, model = stored
    with pytest.raises(AnalysisError, match="within is 0"):
        mediation(recording, model, within=0)
