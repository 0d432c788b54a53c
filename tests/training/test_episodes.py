"""Training rows: every question can be answered from the spans that are said to hold its answer; the same seed, the same rows."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from memlens.config import TaskConfig
from memlens.dims import Modality
from memlens.errors import TrainingError
from memlens.streams import TASKS, default_tokenizer
from memlens.streams.tokenizer import decode_answer
from memlens.training.episodes import Episode, EpisodeShape, lay_row, make_episode

from ..streams.solvers import SOLVERS, meaning

TOKENIZER = default_tokenizer()
SHAPE = EpisodeShape(n_row=3, n_token=256, n_segment=2, n_fact=8, n_question=5)
ALL = TaskConfig(options={"mix": [1, 1, 1, 1], "restated": 0.3, "rewritten": 0.3, "near": 0.3, "versions": 2})
ASKING = [name for name in TASKS if name != "language"]


def said(columns: dict[str, np.ndarray], start: int, end: int) -> str:
    """Positions as a transcript: their text, and "<image 3>", "<audio 4>", "<dna ACGT>" for the rest."""
    modality, token, payload = (columns[name][start:end] for name in ("modality", "token", "payload"))
    cuts = [0, *(np.flatnonzero(np.diff(modality)) + 1).tolist(), end - start]
    parts = []
    for a, b in pairwise(cuts):
        kind = Modality(int(modality[a]))
        if kind == Modality.TEXT:
            parts.append(TOKENIZER.decode(token[a:b].tolist()))
        elif kind == Modality.DNA:
            parts.append(f" <dna {''.join('ACGTN'[i] for i in token[a:b])}>")
        while a < b and kind in (Modality.IMAGE, Modality.AUDIO):
            ends = (e for e in range(b, a, -1) if payload[a:e].tobytes() in meaning("train"))
            e = next(ends)
            parts.append(f" <{kind.name.lower()} {meaning('train')[payload[a:e].tobytes()]}>")
            a = e
    return "".join(parts)


def joined(episode: Episode, b: int) -> dict[str, np.ndarray]:
    """The columns of a row, its segments one after the other."""
    return {
        name: np.concatenate([getattr(s, name)[b].numpy() for s in episode.segments])
        for name in ("modality", "token", "payload", "valid")
    }


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("n_token", [90, 400])
def test_rows_can_be_answered_from_their_spans(name: str, n_token: int) -> None:
    """Also where only the last statements found room."""
    asked = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        scene = TASKS[name].draw(rng, "train", 8)
        row = lay_row(rng, TOKENIZER, scene, n_token, TASKS[name].filler, "train")
        assert all(len(column) == n_token for column in row.columns.values())
        for query in row.queries:
            text = "".join(said(row.columns, *row.spans[i]) for i in query.support)
            assert SOLVERS[name](text, query.text) == query.answer, (query, text)
            asked += 1
    assert asked


def test_questions_of_an_episode_can_be_answered_from_its_spans() -> None:
    """The spans given for each question, and nothing else of the row, answer it; its modality is that of the value."""
    kinds = set()
    for seed in range(3):
        episode = make_episode(np.random.default_rng(seed), TOKENIZER, SHAPE, (ALL,))
        for b in range(SHAPE.n_row):
            columns = joined(episode, b)
            for q in range(SHAPE.n_question):
                question = TOKENIZER.decode(episode.questions.token[b, q].tolist()).strip()
                answer = decode_answer(TOKENIZER, episode.questions.answer[b, q].tolist())
                spans = dict.fromkeys(map(tuple, episode.fact_span[b, q].tolist()))
                text = "".join(said(columns, *span) for span in spans)
                assert SOLVERS["needle"](text, question) == answer, (question, text)
                kind = Modality(int(episode.modality[b, q]))
                assert f"<{kind.name.lower()} " in text or (kind == Modality.TEXT and "<" not in text)
                kinds.add(kind)
    assert kinds == set(Modality)


def test_same_seed_same_episode() -> None:
    a, b, other = (make_episode(np.random.default_rng(seed), TOKENIZER, SHAPE, (ALL,)).flat() for seed in (7, 7, 8))
    assert a.keys() == b.keys() == other.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["segments.0.token"], other["segments.0.token"])


def test_tasks_are_drawn_by_their_share_once_their_stage_has_come() -> None:
    tasks = (TaskConfig(), TaskConfig(name="motif", share=3.0, first_stage=2))
    shape = EpisodeShape(n_row=200, n_token=64, n_segment=1, n_fact=2, n_question=1)

    def share(stage: int | None) -> float:
        return make_episode(np.random.default_rng(0), TOKENIZER, shape, tasks, stage=stage).task.float().mean().item()

    assert share(1) == 0
    # four standard errors of 200 draws with odds of 3/4
    assert abs(share(2) - 0.75) < 4 * (0.75 * 0.25 / 200) ** 0.5
    assert share(None) == share(2)


def test_rows_with_nothing_to_ask_are_an_error() -> None:
    shape = EpisodeShape(n_row=1, n_token=4, n_segment=1, n_fact=2, n_question=1)
    with pytest.raises(
        TrainingError, match=r"'needle' has no question that fits in rows of 4 positions .* make rows longer"
    ):
        make_episode(np.random.default_rng(0), TOKENIZER, shape)
