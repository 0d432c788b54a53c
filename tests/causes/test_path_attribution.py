import numpy as np

from memlens.causes.path_attribution import conductance, followed_paths, token_windows
from memlens.causes.rerun import Rerun


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
