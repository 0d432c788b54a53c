"""The small untrained model and a stream of some segments, as the tests of the model use them."""

import pytest

from memlens.model import MemoryModel
from memlens.streams import EncodedStream, Stream, default_tokenizer

from ..model.conftest import SMALL, make_model


@pytest.fixture(scope="session")
def model() -> MemoryModel:
    return make_model(SMALL)


@pytest.fixture(scope="session")
def stream() -> EncodedStream:
    """Eight segments of the small model, with questions at the end of most."""
    made = Stream("mill")
    for i, code in enumerate(("472", "815", "233", "907", "164", "580")):
        made.text(f"The access code of mill {i} is {code}.").text(
            " It rained for three days, and then it rained again." * 3
        )
        made.question(f"What is the access code of mill {i // 2}?", code, fact=i // 2)
    return made.encode(default_tokenizer())
