"""The loss of a baseline is made of what it says, and training lowers it."""

import numpy as np
import pytest
import torch

from memlens.config import BaselineConfig, LossWeights
from memlens.dims import Modality
from memlens.model import StreamReader
from memlens.streams import default_tokenizer
from memlens.training.episodes import EpisodeShape, make_episode
from memlens.training.reader_loss import reader_loss

SHAPE = EpisodeShape(n_row=4, n_token=96, n_segment=2, n_fact=3, n_question=3)


@pytest.fixture(params=["attention", "ssm"])
def reader(request: pytest.FixtureRequest) -> StreamReader:
    torch.manual_seed(0)
    cfg = BaselineConfig(
        kind=request.param, d_model=32, n_layers=2, n_heads=2, window=64, ssd_heads=2, ssd_head_dim=16, ssd_state=8
    )
    return StreamReader(cfg, default_tokenizer())


def test_terms(reader: StreamReader) -> None:
    """With every text position taken, the prediction term is the mean over the stream that ``step`` reports."""
    episode = make_episode(np.random.default_rng(0), default_tokenizer(), SHAPE)
    weights = LossWeights(answer=3.0, predict=0.5)
    with torch.no_grad():
        loss = reader_loss(
            reader, episode, reader.initial_state(4), weights=weights, predict_share=1.0,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        state, nats, n_text = reader.initial_state(4), 0.0, 0
        for segment in episode.segments:
            outputs, state = reader.step(segment, state)
            nats, n_text = nats + outputs.nats.sum(), n_text + outputs.text.sum()
        answers = reader.answer(episode.questions, state)
    assert n_text > 0
    torch.testing.assert_close(loss.predict, nats / n_text)
    torch.testing.assert_close(loss.answer, answers.loss.mean())
    torch.testing.assert_close(loss.total, 3.0 * loss.answer + 0.5 * loss.predict)
    assert loss.exact.shape == loss.covered.shape == (4, 3) and not loss.covered.any()
    assert all(torch.equal(loss.state.flat()[k], v) for k, v in state.flat().items())


def test_a_share_of_the_text_stands_for_all_of_it(reader: StreamReader) -> None:
    """The mean over many draws of a quarter of the positions is the mean over all."""
    episode = make_episode(np.random.default_rng(1), default_tokenizer(), SHAPE)
    assert all((s.modality == Modality.TEXT).any() for s in episode.segments)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        start = reader.initial_state(4)
        whole = reader_loss(reader, episode, start, predict_share=1.0, generator=generator).predict
        draws = torch.stack(
            [reader_loss(reader, episode, start, predict_share=0.25, generator=generator).predict for _ in range(60)]
        )
    assert draws.std() > 0
    assert abs(draws.mean() - whole) < 0.03 * whole


def test_training_lowers_it(reader: StreamReader) -> None:
    optimiser = torch.optim.AdamW(reader.parameters(), lr=3e-3, betas=(0.9, 0.95))
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    losses = []
    for _ in range(60):
        episode = make_episode(rng, default_tokenizer(), SHAPE)
        with torch.autocast("cpu", torch.bfloat16):
            loss = reader_loss(reader, episode, reader.initial_state(4), generator=generator)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
        losses.append(loss.total.item())
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
