import numpy as np
import pytest

from memlens.analysis import retention
from memlens.errors import AnalysisError


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 0.8, 1.0])
def test_planted_accuracy_lies_in_the_interval(plant, accuracy):
    found = retention(plant(accuracy=accuracy)).sel(modality="all")
    assert float(found["overall_low"]) - 1e-9 <= accuracy <= float(found["overall_high"]) + 1e-9


def test_every_question_is_in_one_bin(recording):
    found = retention(recording)
    assert int(found["n"].sel(modality="all").sum()) == 300
    assert (found["n"].sel(modality=["text", "image"]).sum("modality") == found["n"].sel(modality="all")).all()
    assert int(found["overall_n"].sel(modality="dna")) == 0
    assert np.isnan(found["accuracy"].sel(modality="dna")).all()


def test_bins_by_hand(recording):
    table = recording.questions
    near = (table["distance"] >= 100) & (table["distance"] < 500)
    found = retention(recording, bins=[100, 500]).sel(modality="all").isel(bin=0)
    assert int(found["n"]) == int(near.sum())
    assert float(found["accuracy"]) == pytest.approx(float(table["correct"][near.values].mean()))
    assert found.attrs["outside"] == 300 - int(near.sum())


def test_unknown_distance_counts_overall_only(plant):
    recording = plant()
    recording.questions["distance"][:10] = -1
    found = retention(recording)
    assert int(found["n"].sel(modality="all").sum()) == 290
    assert int(found["overall_n"].sel(modality="all")) == 300
    assert found.attrs["unknown_distance"] == 10


def test_no_question_and_wrong_bins(plant, recording):
    with pytest.raises(AnalysisError, match="no question"):
        retention(plant(questions=0))
    with pytest.raises(AnalysisError, match="ascending"):
        retention(recording, bins=[5, 2])
