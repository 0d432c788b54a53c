"""The one list of hook points: what each is called, its axes, unit, symbol and meaning.

The recorder's schema, the table in docs/points.md and the dashboard's labels are read from here. Every
tensor at a point has a leading ``sequence`` axis that is not listed. A point fires once per segment,
except those of the groups ``question``, ``retrieval`` and ``decoder``: these fire only in segments that ask questions, the
decoder's once for teacher forcing and once for each token that it generates.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from memlens.config import ModelConfig
from memlens.errors import PointError, closest


@dataclass(frozen=True)
class Point:
    """One hookable quantity.

    ``dtype`` is "float" or "int"; ``recorded`` says whether a recording keeps it by default.
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
    """All points of a model of this configuration, in the order of the design's table."""
    P = Point
    blocks = [
        p
        for i in range(config.n_layers)
        for p in (
            P(f"blocks.{i}.hook_resid_pre", "backbone", ("token", "feature"), "1", "x", "residual stream before it"),
            P(
                f"blocks.{i}.hook_state",
                "backbone",
                ("head", "head_feature", "state"),
                "1",
                "h",
                "SSD state carried on",
            ),
            P(f"blocks.{i}.hook_mixer_out", "backbone", ("token", "feature"), "1", "y", "what the SSD scan adds"),
            P(f"blocks.{i}.hook_resid_post", "backbone", ("token", "feature"), "1", "x", "residual stream after it"),
        )
    ]
    question = [
        p
        for i in range(config.question_layers)
        for p in (
            P(
                f"question.blocks.{i}.hook_pattern",
                "question",
                ("question", "head", "query", "read"),
                "probability",
                "A",
                "attention of question tokens over what was retrieved",
            ),
            P(
                f"question.blocks.{i}.hook_resid_post",
                "question",
                ("question", "query", "feature"),
                "1",
                "x",
                "question residual after it",
            ),
        )
    ]
    decoder = [
        p
        for i in range(config.decoder_layers)
        for p in (
            P(
                f"decoder.blocks.{i}.hook_pattern",
                "decoder",
                ("question", "head", "answer", "source"),
                "probability",
                "A",
                "attention of answer tokens over M_q and what was retrieved",
            ),
            P(
                f"decoder.blocks.{i}.hook_resid_post",
                "decoder",
                ("question", "answer", "feature"),
                "1",
                "x",
                "answer residual after it",
            ),
        )
    ]
    merged = [
        P(f"compressor.hook_merged.{i}", "store", ("merge", "feature"), "1", "c", f"what level {i} sends to {i + 1}")
        for i in range(len(config.capacities) - 1)
    ]
    return (
        P("encoders.hook_embed", "encoders", ("token", "feature"), "1", "x", "encoded position, one shared width"),
        *blocks,
        P("hook_hidden", "backbone", ("token", "feature"), "1", "H_t", "normalised output of the backbone"),
        P("importance.hook_summary", "importance", ("feature",), "1", "summary(M_{t-1})", "what importance knows of M"),
        P("importance.hook_score", "importance", ("token",), "logit", "s", "importance", recorded=True),
        P("context.hook_position", "slots", ("slot",), "token", "i_k", "position a slot was picked at", "int", True),
        P("context.hook_prior", "slots", ("slot",), "nat", "log sigma(s)", "log-prior of being read", recorded=True),
        P(
            "context.hook_pattern",
            "attention",
            ("slot", "head", "window"),
            "probability",
            "A",
            "what a slot wrote from, back from its position",
            recorded=True,
        ),
        P("context.hook_slot", "slots", ("slot", "feature"), "1", "M_ctx", "context slots", recorded=True),
        P(
            "working.hook_pattern",
            "attention",
            ("working", "input"),
            "probability",
            "A",
            "which context slots, then recalled entries, a working slot takes from",
            recorded=True,
        ),
        P("working.hook_candidate", "slots", ("working", "feature"), "1", "candidate", "what M_t could become"),
        P(
            "working.hook_gate",
            "gates",
            ("working",),
            "probability",
            "g",
            "share kept; 1 where nothing is written",
            recorded=True,
        ),
        P("working.hook_slot", "slots", ("working", "feature"), "1", "M_t", "working memory", recorded=True),
        P(
            "controller.hook_entry",
            "decisions",
            ("agent",),
            "1",
            "id",
            "ids of candidates, then residents; -1 none",
            "int",
        ),
        P("controller.hook_control", "decisions", ("agent", "control"), "1", "s", "what the controller sees"),
        P("controller.hook_q", "decisions", ("agent", "action"), "nat", "Q", "value of each action", recorded=True),
        P("controller.hook_action", "decisions", ("agent",), "action", "a", "action wanted", "int", True),
        *merged,
        P("store.hook_entry", "store", ("entry",), "1", "id", "ids of what is held; -1 empty", "int"),
        P("store.hook_content", "store", ("entry", "feature"), "1", "L_t", "content of the store", recorded=True),
        P(
            "lm_head.hook_pattern",
            "prediction",
            ("head", "token", "working"),
            "probability",
            "A",
            "what prediction reads from M_{t-1}",
        ),
        P("lm_head.hook_read", "prediction", ("token", "feature"), "1", "r", "what it got from there"),
        P("lm_head.hook_logits", "prediction", ("token", "vocab"), "logit", "", "next token of the stream"),
        P("question.hook_embed", "question", ("question", "query", "feature"), "1", "x", "question, encoded"),
        P(
            "retrieval.hook_entry",
            "retrieval",
            ("memory",),
            "1",
            "id",
            "ids of all that can be read; -1 no entry",
            "int",
        ),
        P("retrieval.hook_query", "retrieval", ("question", "feature"), "1", "q", "what retrieval looks for"),
        P("retrieval.hook_logits", "retrieval", ("question", "memory"), "nat", "", "match of all memory with q"),
        P("retrieval.hook_weight", "retrieval", ("question", "read"), "probability", "w", "weight of the chosen"),
        P(
            "retrieval.hook_read",
            "retrieval",
            ("question", "read", "feature"),
            "1",
            "r",
            "the chosen, reconstructed where compressed",
        ),
        *question,
        P("question.hook_slot", "question", ("question", "query", "feature"), "1", "M_q", "question memory"),
        *decoder,
        P("decoder.hook_logits", "decoder", ("question", "answer", "vocab"), "logit", "", "answer tokens"),
    )


def select(config: ModelConfig, *patterns: str) -> tuple[Point, ...]:
    """Points chosen by name, glob, group, ``default`` or ``all``.

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
