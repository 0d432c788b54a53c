import numpy as np
import pytest

from memlens.causes import agreement
from memlens.errors import AnalysisError
from memlens.testing.cases.causes import judge_agreement


def test_each_measure_ranks_what_it_sees(stored):
    """An item is key, value, flag. Without any of them there is no answer; the flag decides, and decisions are held on the path."""
    recording, model = stored
    found = agreement(recording, model, width=1, reach=4, within=3)
    judged = judge_agreement(found, {})
    assert judged.right, judged.numbers
    assert (np.abs(found["null_mean"]) < 0.2).all()


def test_bad_parameters_are_refused(stored):
    with pytest.raises(AnalysisError, match="width is 0"):
        agreement(*stored, width=0)
