"""Hand-built models whose causes are known, with their recordings; a state is kept before every segment."""

import pytest

from memlens.model import MemoryModel
from memlens.recording import Recording, RecordOptions, record
from memlens.testing.models import forgetting, last_item

from ..model.conftest import SMALL, make_model

Ran = tuple[Recording, MemoryModel]


@pytest.fixture(scope="session")
def stored(tmp_path_factory) -> Ran:
    """Answers from entries that live for five segments."""
    built = forgetting(life=5)
    path = tmp_path_factory.mktemp("causes") / "stored"
    return record(built.model, built.stream, path, RecordOptions(dtype="float32", states_every=1)), built.model


@pytest.fixture(scope="session")
def worked(tmp_path_factory) -> Ran:
    """Answers from working memory."""
    built = last_item()
    path = tmp_path_factory.mktemp("causes") / "worked"
    return record(built.model, built.stream, path, RecordOptions(dtype="float32", states_every=1)), built.model


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Ran:
    """An untrained model that merges: its answers are wrong, and rest on entries of all levels."""
    from memlens.streams import Stream, default_tokenizer

    model, made = make_model(SMALL), Stream("mill")
    for i in range(14):
        made.text(f"The access code of mill {i} is {400 + 7 * i}.", fact=i)
        made.text(" It rained for three days, and then it rained again." * 2)
        made.question(f"What is the access code of mill {i}?", str(400 + 7 * i), fact=i)
    path = tmp_path_factory.mktemp("causes") / "small"
    return record(model, made.encode(default_tokenizer()), path, RecordOptions(dtype="float32", states_every=4)), model
