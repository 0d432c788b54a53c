"""Episodes hold what they say."""

import numpy as np
import torch

from memlens.dims import Modality
from memlens.streams import default_tokenizer
from memlens.streams.tokenizer import decode_answer
from memlens.training.episodes import EpisodeShape, make_episode

SHAPE = EpisodeShape(n_row=3, n_token=256, n_segment=2, n_fact=8, n_question=5)


def test_same_seed_same_episode() -> None:
    a, b = (make_episode(np.random.default_rng(7), default_tokenizer(), SHAPE) for _ in range(2))
    assert torch.equal(a.questions.token, b.questions.token)
    assert torch.equal(a.segments[1].payload, b.segments[1].payload)


def test_spans_hold_the_fact() -> None:
    tokenizer = default_tokenizer()
    episode = make_episode(np.random.default_rng(1), tokenizer, SHAPE)
    token = torch.cat([s.token for s in episode.segments], 1)
    modality = torch.cat([s.modality for s in episode.segments], 1)
    checked = 0
    for b in range(3):
        for q in range(5):
            answer = decode_answer(tokenizer, episode.questions.answer[b, q].tolist())
            for start, end in episode.fact_span[b, q].tolist():
                here = modality[b, start:end]
                kind = Modality(int(episode.modality[b, q]))
                if kind == Modality.TEXT:
                    assert answer in tokenizer.decode(token[b, start:end].tolist())
                    checked += 1
                else:
                    assert (here == kind).any()
    assert checked
