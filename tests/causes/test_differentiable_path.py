import pytest
import torch

from memlens.causes.path_attribution import followed_paths
from memlens.causes.rerun import Rerun


@pytest.mark.parametrize("kind", ["stored", "small"])
def test_the_path_gives_the_loss_that_was_recorded(kind, request):
    """Also where entries were merged."""
    recording, model = request.getfixturevalue(kind)
    chosen = followed_paths(Rerun(recording, model), 14, 4, 6, 0)
    for asked, path in chosen:
        with torch.no_grad():
            given = float(path(path.given()))
        assert -given == pytest.approx(float(recording.questions["loss"].values[asked.row]), abs=1e-4)
    if kind == "small":
        assert any(path.reading.entries != path.reading.sources for _, path in chosen)
