"""On a GPU the same stream gives the same decisions and nearly the same memory. Skipped where there is none."""

import copy

import pytest
import torch

from memlens.model import MemoryModel
from memlens.streams import EncodedStream

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def test_a_run_is_the_same_on_a_gpu(model: MemoryModel, stream: EncodedStream) -> None:
    there = copy.deepcopy(model).to("cuda")
    for here, far in zip(model.run(stream), there.run(stream), strict=True):
        near = far.outputs.to("cpu")
        assert torch.equal(here.outputs.decisions.action, near.decisions.action)
        torch.testing.assert_close(here.outputs.slot, near.slot, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(here.state.store.content, far.state.to("cpu").store.content, atol=1e-3, rtol=1e-3)
