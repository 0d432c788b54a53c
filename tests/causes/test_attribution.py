import numpy as np
import pytest
import torch

from memlens.causes import agreement, attribution
from memlens.causes.path_attribution import conductance, followed_paths
from memlens.causes.rerun import Rerun
from memlens.errors import AnalysisError
from memlens.testing.cases.causes import judge_agreement


@pytest.mark.parametrize("kind", ["stored", "small"])
def test_the_route_gives_the_loss_that_was_recorded(kind, request):
    """Also where entries were merged."""
    recording, model = request.getfixturevalue(kind)
    chosen = followed_paths(Rerun(recording, model), 14, 4, 6, 0)
    for asked, path in chosen:
        with torch.no_grad():
            given = float(path(path.given()))
        assert -given == pytest.approx(float(recording.questions["loss"].values[asked.row]), abs=1e-4)
    if kind == "small":
        assert any(path.reading.entries != path.reading.sources for _, path in chosen)


@pytest.mark.parametrize("method", ["integrated_gradients", "ablation", "occlusion"])
def test_answers_are_owed_to_the_item(stored, method):
    recording, model = stored
    found = attribution(recording, model, method=method, steps=80, width=1)
    mean, p = found["mean"], found["p_adjusted"]
    assert float(mean.sel(measure="on_fact")) > 0.9
    assert float(mean.sel(measure="comprehensiveness")) > 0.5 + float(
        found["null_mean"].sel(measure="comprehensiveness")
    )
    assert float(mean.sel(measure="sufficiency")) < float(found["null_mean"].sel(measure="sufficiency"))
    assert (p.sel(measure=["on_fact", "comprehensiveness"]) <= 0.05).all()
    assert (found["difference"] > 1).all()
    if method == "integrated_gradients":
        for name in ("delta", "conductance_delta"):
            np.testing.assert_allclose(found[name] / found["difference"], 0, atol=0.1)


def test_conductance_is_shared_out_among_slots_and_merges(small):
    recording, model = small
    found = attribution(recording, model, questions=14, sources=4, reach=6, steps=40, draws=1)
    slots, entries = found["slot_conductance"].sum("source"), found["entry_conductance"].sum("read")
    np.testing.assert_allclose(slots, entries, atol=0.05)
    np.testing.assert_allclose(entries, found["difference"], atol=0.1)


def test_conductance_is_captums(small):
    """On a path that is smooth, with many of its steps."""
    from captum.attr import LayerConductance

    recording, model = small
    _, path = followed_paths(Rerun(recording, model), 14, 4, 6, 0)[3]
    for own, layer in zip(conductance(path, 40), (path.slots, path.entries), strict=True):
        theirs = LayerConductance(path, layer).attribute(
            path.given(), path.nothing(), n_steps=200, internal_batch_size=50
        )
        np.testing.assert_allclose(own, theirs.sum(-1)[0].detach().numpy(), atol=0.02)


def test_windows_end_where_a_slot_was_picked(stored):
    recording, model = stored
    [(_, path), *_] = followed_paths(Rerun(recording, model), 10, 2, 6, 0)
    number = token_windows(path, 4)
    assert number[-4:].tolist() == [0] * 4 or len(path.slices) > 1
    assert np.bincount(number).max() <= 4 and set(number) == set(range(number.max() + 1))


def test_each_measure_ranks_what_it_sees(stored):
    """An item is key, value, flag. Without any of them there is no answer; the flag decides, and decisions are held on the path."""
    recording, model = stored
    found = agreement(recording, model, width=1, reach=4, within=3)
    judged = judge_agreement(found, {})
    assert judged.right, judged.numbers
    assert (np.abs(found["null_mean"]) < 0.2).all()


@pytest.mark.parametrize(
    ("analysis", "params", "told"),
    [
        (attribution, {"method": "gradients"}, "closest: integrated_gradients"),
        (attribution, {"steps": 0}, "steps 0"),
        (agreement, {"width": 0}, "width is 0"),
    ],
)
def test_bad_parameters_are_refused(stored, analysis, params, told):
    recording, model = stored
    with pytest.raises(AnalysisError, match=told):
        analysis(recording, model, **params)
