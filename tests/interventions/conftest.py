"""The small untrained model of tests/model, a stream of nine of its segments, and a recording of it."""

import pytest

from memlens.model import MemoryModel
from memlens.model.run import Result
from memlens.recording import Recording, RecordOptions, record
from memlens.streams import EncodedStream, Stream, default_tokenizer

from ..model.conftest import SMALL, make_model


@pytest.fixture(scope="session")
def model() -> MemoryModel:
    return make_model(SMALL)


@pytest.fixture(scope="session")
def stream() -> EncodedStream:
    """Nine segments of the small model; a question at the end of most."""
    made = Stream("mill")
    for i, code in enumerate(("472", "815", "233", "907", "164", "580")):
        made.text(f"The access code of mill {i // 2} is {code}.", fact=i // 2)
        made.text(" It rained for three days, and then it rained again." * 3)
        made.question(f"What is the access code of mill {i // 2}?", code, fact=i // 2)
    return made.encode(default_tokenizer())


@pytest.fixture(scope="session")
def results(model: MemoryModel, stream: EncodedStream) -> list[Result]:
    """The run without interventions."""
    return list(model.run(stream))


@pytest.fixture(scope="session")
def recorded(model: MemoryModel, stream: EncodedStream, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = tmp_path_factory.mktemp("interventions") / "run"
    points = ("default", "controller.hook_entry", "store.hook_entry")
    return record(model, stream, path, RecordOptions(states_every=3, dtype="float32", points=points))
