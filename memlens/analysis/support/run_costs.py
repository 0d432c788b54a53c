"""What of a recorded run its cost depends on, and the FLOPs and interactions that follow."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memlens.analysis.support import attention_costs, costs
from memlens.analysis.support.result import n_segments
from memlens.config import BaselineConfig, ModelConfig
from memlens.dims import Action, Modality
from memlens.errors import AnalysisError
from memlens.recording.format.schema import RESIDENT

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike
    from memlens.recording.reading.tables import RecordedEntries

#: Reads of less weight are left out of what question and decoder see.
LEAST_WEIGHT = 1e-4


@dataclass(frozen=True)
class Run:
    """What the cost of a run depends on.

    Attributes
    ----------
    others
        int [sequence, segment] each: positions of each modality that is no text.
    before
        Stream position of each segment's first token.
    recalls
        bool [sequence, segment]: whether entries came back into working memory.
    asked
        int [sequence, segment]: questions.
    question_segment, question_reads
        Of each question: its segment, counted from the first recorded one, and the vectors it read, at most.
    """

    others: dict[Modality, np.ndarray]
    before: np.ndarray
    recalls: np.ndarray
    asked: np.ndarray
    question_segment: np.ndarray
    question_reads: np.ndarray


def config_of(recording: "RecordingLike") -> ModelConfig:
    """The recorded sizes of the model; AnalysisError where some are not there, since a default in their place would be a guess."""
    told = dict(recording.info.model_config)
    missing = [name for name in ModelConfig.model_fields if name not in told]
    if missing:
        raise AnalysisError(
            f"the recording's model_config lacks {', '.join(missing[:3])}{' and others' if len(missing) > 3 else ''}; "
            "costs are counted for runs of the memory model, as `memlens record` makes them"
        )
    return ModelConfig.parse(told, "model_config of the recording")


def run_of(recording: "RecordingLike", cfg: ModelConfig) -> Run:
    """What of a run its cost depends on.

    Parameters
    ----------
    recording : Recording
        Of the memory model.
    cfg : ModelConfig
        Its sizes.

    Returns
    -------
    Run
    """
    n, s = n_segments(recording), cfg.segment_length
    segments, asked = recording.tables.segments, recording.tables.questions
    first = segments.first
    modality = recording.tables.positions.modality[:, : n * s]
    modality = np.pad(modality, ((0, 0), (0, n * s - modality.shape[1])), constant_values=-1).reshape(-1, n, s)
    size = modality.shape[:2]
    at, sequence = asked.segment - first, asked.sequence
    count = np.zeros(size, int)
    np.add.at(count, (sequence, at), 1)
    return Run(
        others={kind: (modality == int(kind)).sum(2) for kind in Modality if kind != Modality.TEXT},
        before=segments.start,
        recalls=_recalls(recording, size, first),
        asked=count,
        question_segment=at,
        question_reads=_reads(recording, cfg),
    )


def _recalls(recording: "RecordingLike", size: tuple[int, int], first: int) -> np.ndarray:
    """Segments in which a resident was retrieved; one that a candidate absorbed, with the same action, comes back as nothing."""
    table, entries = recording.tables.decisions, recording.tables.entries
    done = (table.kind == RESIDENT) & (table.executed == int(Action.RETRIEVE))
    sequence, segment, entry = table.sequence[done], table.segment[done], table.entry[done]
    died = _of_entry(entries, entries.died, sequence, entry, -1)
    there, alive = np.zeros(size, bool), died != segment
    there[sequence[alive], segment[alive] - first] = True
    return there


def _reads(recording: "RecordingLike", cfg: ModelConfig) -> np.ndarray:
    """Vectors that each question read, at most: all parts of every entry with weight."""
    asked, entries = recording.tables.questions, recording.tables.entries
    level = _of_entry(entries, entries.level, asked.sequence[:, None], asked.read_entry, 0)
    return np.maximum((cfg.merge**level * (asked.read_weight > LEAST_WEIGHT)).sum(1), 1).astype(int)


def _of_entry(
    table: "RecordedEntries", column: np.ndarray, sequence: np.ndarray, entry: np.ndarray, unknown: int
) -> np.ndarray:
    """Values of a column of the entries, for entries by their ids."""
    row = table.index.rows(sequence, entry)
    return np.where(row >= 0, column[row] if len(table) else unknown, unknown)


def memory_flops(cfg: ModelConfig, run: Run, learned: bool, n_token: int, n_answer: int) -> np.ndarray:
    """FLOPs of the run by part, all sequences.

    Parameters
    ----------
    cfg : ModelConfig
        Sizes of the model.
    run : Run
        What was done.
    learned : bool
        Whether the Q-network decides.
    n_token, n_answer : int
        Tokens of a question and of its answer.

    Returns
    -------
    float [part, segment]
    """
    base = costs.segment_flops(cfg, learned=learned)
    recall = costs.segment_flops(cfg, recalls=True, learned=learned)["store"] - base["store"]
    at = {name: i for i, name in enumerate(costs.PARTS)}
    total = np.zeros((len(at), run.before.size))
    for name, each in base.items():
        total[at[name]] += each * run.asked.shape[0]
    for kind, n in run.others.items():
        total[at["encoders"]] += n.sum(0) * costs.segment_flops(cfg, {kind: 1}, learned=learned)["encoders"]
    total[at["store"]] += recall * run.recalls.sum(0)
    for name, each in costs.match_flops(cfg).items():
        total[at[name]] += each * (run.asked > 0).sum(0)
    for n_read in np.unique(run.question_reads):
        here = np.bincount(run.question_segment[run.question_reads == n_read], minlength=run.before.size)
        for name, each in costs.question_flops(cfg, n_token, n_answer, int(n_read)).items():
            total[at[name]] += each * here
    return total


def attention_flops(plain: BaselineConfig, run: Run, n_token: int, n_answer: int) -> np.ndarray:
    """FLOPs of plain attention on the same stream, all sequences; each question is asked by itself.

    Parameters
    ----------
    plain : BaselineConfig
        Sizes of plain attention.
    run : Run
        What was done.
    n_token, n_answer : int
        Tokens of a question and of its answer.

    Returns
    -------
    float [segment]
    """
    total = np.array(
        [run.asked.shape[0] * attention_costs.attention_segment_flops(plain, int(n)) for n in run.before], float
    )
    none = attention_costs.attention_segment_flops(plain, 0)
    for kind, n in run.others.items():
        total += n.sum(0) * (attention_costs.attention_segment_flops(plain, 0, {kind: 1}) - none)
    for t in np.flatnonzero(run.asked.sum(0)):
        length = int(run.before[t]) + plain.segment_length
        total[t] += run.asked[:, t].sum() * attention_costs.attention_question_flops(plain, length, n_token, n_answer)
    return total


def interactions(cfg: ModelConfig, plain: BaselineConfig, run: Run, n_token: int, n_answer: int) -> tuple[float, float]:
    """Pairs of query and key of the run, memory's and attention's, all sequences.

    Parameters
    ----------
    cfg : ModelConfig
        Sizes of the model.
    plain : BaselineConfig
        Sizes of plain attention.
    run : Run
        What was done.
    n_token, n_answer : int
        Tokens of a question and of its answer.

    Returns
    -------
    memory, attention : float
    """
    sequences, length = run.asked.shape[0], int(run.before[-1]) + cfg.segment_length
    start = int(run.before[0])
    memory = sequences * costs.memory_interactions(cfg, length - start)
    memory += run.asked.sum() * costs.memory_question_interactions(cfg, n_token, n_answer)
    other = sequences * (
        attention_costs.attention_interactions(plain, length) - attention_costs.attention_interactions(plain, start)
    )
    other += sum(
        run.asked[:, t].sum()
        * attention_costs.attention_question_interactions(
            plain, int(run.before[t]) + cfg.segment_length, n_token, n_answer
        )
        for t in np.flatnonzero(run.asked.sum(0))
    )
    return float(memory), float(other)
