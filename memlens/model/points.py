"""The one list of hook points: what each is called, its axes, unit, symbol and meaning.

The recorder's schema, the table in docs/points.md and the dashboard's labels are read from here. Every
tensor at a point has a leading ``sequence`` axis that is not listed. A point fires once per segment,
except those of the groups ``question``, ``retrieval`` and ``decoder``: these fire only in segments that ask questions, the
decoder's once for teacher forcing and once for each token that it generates.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain

from memlens.config import ModelConfig
from memlens.errors import PointError, closest


@dataclass(frozen=True)
class Point:
    """One hookable quantity.

    Attributes
    ----------
    name : str
        Of the hook point in the model.
    group : str
        Part of the model that it belongs to.
    dims : tuple of str
        Axes after ``sequence``.
    unit, symbol, meaning : str
        For tables and axis labels.
    dtype : str
        "float" or "int".
    recorded : bool
        Whether a recording keeps it by default.
    """

    name: str
    group: str
    dims: tuple[str, ...]
    unit: str
    symbol: str
    meaning: str
    dtype: str = "float"
    recorded: bool = False


def points(config: ModelConfig) -> tuple[Point, ...]:
    """All points of a model of this configuration, in the order of a step; those of questions last."""
    return (
        *_backbone_points(config),
        *_slots_points(),
        *_decisions_points(),
        *_store_points(config),
        *_prediction_points(),
        *_retrieval_points(),
        *_question_memory_points(config),
        *_decoder_points(config),
    )


def _backbone_points(config: ModelConfig) -> tuple[Point, ...]:
    """Encoders, then the state-space blocks."""
    token = ("token", "feature")
    blocks = [
        (
            Point(f"blocks.{i}.hook_resid_pre", "backbone", token, "1", "x", "residual stream before it"),
            Point(
                f"blocks.{i}.hook_state",
                "backbone",
                ("head", "head_feature", "state"),
                "1",
                "h",
                "SSD state carried on",
            ),
            Point(f"blocks.{i}.hook_mixer_out", "backbone", token, "1", "y", "what the SSD scan adds"),
            Point(f"blocks.{i}.hook_resid_post", "backbone", token, "1", "x", "residual stream after it"),
        )
        for i in range(config.n_layers)
    ]
    return (
        Point("encoders.hook_embed", "encoders", token, "1", "x", "encoded position, one shared width"),
        *chain.from_iterable(blocks),
        Point("hook_hidden", "backbone", token, "1", "H_t", "normalised output of the backbone"),
    )


def _slots_points() -> tuple[Point, ...]:
    """Importance, the context slots that it allocates, working memory."""
    wrote_from = "what a slot wrote from, back from its position"
    takes_from = "which context slots, then recalled entries, a working slot takes from"
    share = "share kept; 1 where nothing is written"
    return (
        Point("importance.hook_summary", "importance", ("feature",), "1", "summary(M_{t-1})", "what importance knows of M"),
        Point("importance.hook_score", "importance", ("token",), "logit", "s", "importance", recorded=True),
        Point("context.hook_position", "slots", ("slot",), "token", "i_k", "position a slot was picked at", "int", True),
        Point("context.hook_prior", "slots", ("slot",), "nat", "log sigma(s)", "log-prior of being read", recorded=True),
        Point("context.hook_pattern", "attention", ("slot", "head", "window"), "probability", "A", wrote_from, recorded=True),
        Point("context.hook_slot", "slots", ("slot", "feature"), "1", "M_ctx", "context slots", recorded=True),
        Point("working.hook_pattern", "attention", ("working", "input"), "probability", "A", takes_from, recorded=True),
        Point("working.hook_candidate", "slots", ("working", "feature"), "1", "candidate", "what M_t could become"),
        Point("working.hook_gate", "gates", ("working",), "probability", "g", share, recorded=True),
        Point("working.hook_slot", "slots", ("working", "feature"), "1", "M_t", "working memory", recorded=True),
    )  # fmt: skip


def _decisions_points() -> tuple[Point, ...]:
    """What the controller sees of every agent, and what it decides."""
    ids = "ids of candidates, then residents; -1 none"
    return (
        Point("controller.hook_entry", "decisions", ("agent",), "1", "id", ids, "int"),
        Point("controller.hook_control", "decisions", ("agent", "control"), "1", "s", "what the controller sees"),
        Point("controller.hook_q", "decisions", ("agent", "action"), "nat", "Q", "value of each action", recorded=True),
        Point("controller.hook_action", "decisions", ("agent",), "action", "a", "action wanted", "int", True),
    )


def _store_points(config: ModelConfig) -> tuple[Point, ...]:
    """Merges, by the level that they leave, and what is held afterwards."""
    merged = ("merge", "feature")
    return (
        *(
            Point(f"compressor.hook_merged.{i}", "store", merged, "1", "c", f"what level {i} sends to {i + 1}")
            for i in range(len(config.capacities) - 1)
        ),
        Point("store.hook_entry", "store", ("entry",), "1", "id", "ids of what is held; -1 empty", "int"),
        Point("store.hook_content", "store", ("entry", "feature"), "1", "L_t", "content of the store", recorded=True),
    )


def _prediction_points() -> tuple[Point, ...]:
    """The next token of the stream."""
    pattern, reads = ("head", "token", "working"), "what prediction reads from M_{t-1}"
    return (
        Point("lm_head.hook_pattern", "prediction", pattern, "probability", "A", reads),
        Point("lm_head.hook_read", "prediction", ("token", "feature"), "1", "r", "what it got from there"),
        Point("lm_head.hook_logits", "prediction", ("token", "vocab"), "logit", "", "next token of the stream"),
    )


def _retrieval_points() -> tuple[Point, ...]:
    """The encoded question, and what it retrieves."""
    query, read = ("question", "query", "feature"), ("question", "read", "feature")
    ids, chosen = "ids of all that can be read; -1 no entry", "the chosen, reconstructed where compressed"
    return (
        Point("question.hook_embed", "question", query, "1", "x", "question, encoded"),
        Point("retrieval.hook_entry", "retrieval", ("memory",), "1", "id", ids, "int"),
        Point("retrieval.hook_query", "retrieval", ("question", "feature"), "1", "q", "what retrieval looks for"),
        Point("retrieval.hook_logits", "retrieval", ("question", "memory"), "nat", "", "match of all memory with q"),
        Point("retrieval.hook_weight", "retrieval", ("question", "read"), "probability", "w", "weight of the chosen"),
        Point("retrieval.hook_read", "retrieval", read, "1", "r", chosen),
    )


def _question_memory_points(config: ModelConfig) -> tuple[Point, ...]:
    """Rounds of reading what was retrieved, and M_q."""
    pattern, query = ("question", "head", "query", "read"), ("question", "query", "feature")
    attention = "attention of question tokens over what was retrieved"
    blocks = [
        (
            Point(f"question.blocks.{i}.hook_pattern", "question", pattern, "probability", "A", attention),
            Point(f"question.blocks.{i}.hook_resid_post", "question", query, "1", "x", "question residual after it"),
        )
        for i in range(config.question_layers)
    ]
    return (
        *chain.from_iterable(blocks),
        Point("question.hook_slot", "question", query, "1", "M_q", "question memory"),
    )


def _decoder_points(config: ModelConfig) -> tuple[Point, ...]:
    """The answer, token by token."""
    pattern, answer = ("question", "head", "answer", "source"), ("question", "answer", "feature")
    attention = "attention of answer tokens over M_q and what was retrieved"
    blocks = [
        (
            Point(f"decoder.blocks.{i}.hook_pattern", "decoder", pattern, "probability", "A", attention),
            Point(f"decoder.blocks.{i}.hook_resid_post", "decoder", answer, "1", "x", "answer residual after it"),
        )
        for i in range(config.decoder_layers)
    ]
    return (
        *chain.from_iterable(blocks),
        Point("decoder.hook_logits", "decoder", ("question", "answer", "vocab"), "logit", "", "answer tokens"),
    )


def select(config: ModelConfig, *patterns: str) -> tuple[Point, ...]:
    """Choose points.

    Parameters
    ----------
    config : ModelConfig
        Of the model.
    *patterns : str
        Names, globs on names, groups, ``default`` (what a recording keeps) or ``all``.

    Returns
    -------
    tuple of Point
        All that at least one pattern matches, in the order of ``points``.

    Raises
    ------
    PointError
        If a pattern matches nothing; the message lists the closest names.
    """
    every = points(config)
    chosen: set[str] = set()
    for pattern in patterns:
        hits = {
            p.name
            for p in every
            if pattern == "all"
            or (pattern == "default" and p.recorded)
            or p.group == pattern
            or fnmatchcase(p.name, pattern)
        }
        if not hits:
            names = {p.name for p in every} | {p.group for p in every} | {"all", "default"}
            raise PointError(f"no hook point matches '{pattern}'; {closest(pattern, names)}")
        chosen |= hits
    return tuple(p for p in every if p.name in chosen)
