"""What the parts of the memory model cost, as formulas of its sizes: parameters, FLOPs, bytes, interactions.

S positions of a segment, d features, K context slots, W working slots, E places of the store, A = K + E agents, m entries to a merge.

FLOPs are multiplications and additions of matrix products, convolutions and attention, padded and masked pairs included, as torch's
FlopCounterMode counts them on what is run: 2 n a b for n vectors through an a x b matrix (Kaplan et al., 2020, "Scaling Laws for Neural
Language Models", table 1, counts likewise). Softmax, norms, sorting and other elementwise work count nothing. Interactions are pairs of a
query and a key vector whose logit can change the output, all heads of a layer as one, summed over layers; masked pairs are none.

=================== ==============================================================================================================
interactions         pairs
=================== ==============================================================================================================
attention, context   L (L + 1) / 2 a layer
attention, question  t L + t (t + 1) / 2 a layer, t = q + a: its tokens and those of the answer
memory, segment      slots with their windows; working slots with what comes in; the controller's keys of the A agents: with each other,
                     with the working slots, and the patterns from these with each other; the scan as it is run, in chunks:
                     S (chunk + 1) / 2 a layer
memory, question     its tokens with each other and with the pooling query; one query with all of [M_ctx, M_t, L_t]; then the self- and
                     cross-attention of M_q and of the decoder
=================== ==============================================================================================================

The tests hold every formula against the models themselves, run under torch's counter.
"""

from collections.abc import Mapping

from memlens.config import ModelConfig
from memlens.dims import PAYLOAD, Action, Modality

#: Parts of a step in its order. "store" is the compressor, which makes and opens its merges; the token embedding is of "encoders".
PARTS = (
    "encoders", "backbone", "importance", "context", "working", "store", "controller", "retrieval", "question", "decoder", "lm_head",
)  # fmt: skip
#: Widths that the model's code holds: hidden layers of encoders and importance, the content that Q sees.
ENCODER_WIDTH, IMPORTANCE_WIDTH, CONTENT_WIDTH = 128, 64, 32
#: The compressor's hidden layer, in widths of the model.
COMPRESSOR_RATIO = 4
FLOAT, INTEGER, FLAG = 4, 8, 1

Parts = dict[str, int]
Counts = Mapping[Modality, int]


def n_entry(cfg: ModelConfig) -> int:
    """E, places of the store."""
    return sum(cfg.capacities)


def n_readable(cfg: ModelConfig) -> int:
    """Vectors that a question is matched with: [M_ctx, M_t, L_t]."""
    return cfg.n_slots + cfg.working_slots + n_entry(cfg)


def linear(n: int, n_in: int, n_out: int) -> int:
    """FLOPs of n vectors through a matrix.

    Parameters
    ----------
    n : int
        Vectors.
    n_in, n_out : int
        Their widths before and after.

    Returns
    -------
    int
    """
    return 2 * n * n_in * n_out


# FLOPs of the memory model


def segment_flops(
    cfg: ModelConfig, others: Counts | None = None, *, recalls: bool = False, learned: bool = True, predict: bool = True
) -> Parts:
    """FLOPs of one step of one sequence without questions, by part.

    Parameters
    ----------
    cfg : ModelConfig
        Sizes of the model.
    others : mapping of Modality to int, or None
        Positions of each modality that is no text; text is looked up and costs nothing.
    recalls : bool
        Whether entries come back into working memory: counted as if all that can were of the last level, which is the most there can be.
    learned : bool
        Whether the Q-network decides; a heuristic multiplies nothing.
    predict : bool
        Whether the next tokens are predicted, as in every recording.

    Returns
    -------
    dict of str to int
    """
    s, d, slots, working = cfg.segment_length, cfg.d_model, cfg.n_slots, cfg.working_slots
    agents, incoming = slots + n_entry(cfg), slots + cfg.recalls
    heads = cfg.slot_heads * cfg.slot_head_dim
    source = s + cfg.slot_window - 1
    inner = cfg.ssd_heads * cfg.ssd_head_dim
    mixed = inner + 2 * cfg.ssd_state
    layer = (
        linear(s, d, inner + mixed + cfg.ssd_heads)
        + 2 * s * mixed * cfg.conv_width
        + _scan(cfg, inner)
        + linear(s, inner, d)
    )
    width, features = cfg.control_width, 10 + 2 * len(cfg.capacities) + CONTENT_WIDTH
    q_network = linear(agents, d, CONTENT_WIDTH) + linear(agents, features, 2 * width)
    q_network += linear(agents, 2 * width, width) + linear(agents, width, 1 + len(Action))
    matching = linear(agents + working, d, d) + 2 * agents * (agents * d + working * d + agents * working)
    merges = sum(_pairs(cfg))
    head = 2 * linear(s, d, d) + 2 * linear(working, d, d) + 4 * s * working * d + linear(s, d, cfg.vocab_size)
    return dict.fromkeys(PARTS, 0) | {
        "encoders": encoder_flops(d, others or {}),
        "backbone": cfg.n_layers * layer,
        "importance": linear(s, d, IMPORTANCE_WIDTH) + linear(1, d, IMPORTANCE_WIDTH) + linear(s, IMPORTANCE_WIDTH, 1),
        "context": linear(slots, d, heads) + 2 * linear(source, d, heads) + 4 * slots * source * heads
        + linear(slots, heads, d) + linear(slots, d, d),
        "working": linear(working, d, d) + 2 * linear(incoming, d, d) + 4 * working * incoming * d
        + linear(working, 2 * d, 1),
        "store": merges * linear(1, COMPRESSOR_RATIO * d, (cfg.merge + 1) * d)
        + (cfg.recalls * expansion_flops(cfg, len(cfg.capacities) - 1) if recalls else 0),
        "controller": matching + linear(1, n_entry(cfg), len(cfg.capacities)) + (q_network if learned else 0),
        "lm_head": head if predict else 0,
    }  # fmt: skip


def _scan(cfg: ModelConfig, inner: int) -> int:
    """The chunked scan of one layer: quadratic inside a chunk, states between chunks (Dao and Gu, 2024, section 6)."""
    return 2 * cfg.segment_length * (cfg.chunk * (cfg.ssd_state + inner) + 2 * inner * cfg.ssd_state)


def _pairs(cfg: ModelConfig) -> list[int]:
    """Merges that a step computes for each level after the first, wanted or not."""
    pool, pairs = cfg.n_slots, []
    for here, above in zip(cfg.capacities, cfg.capacities[1:], strict=False):
        pool = min(above // 2, here + pool)
        pairs.append(pool)
    return pairs


def encoder_flops(width: int, others: Counts) -> int:
    """FLOPs of encoding the positions of modalities that are no text.

    Parameters
    ----------
    width : int
        Features of the model.
    others : mapping of Modality to int
        Positions of each modality.

    Returns
    -------
    int
    """
    return sum(
        linear(n, PAYLOAD[kind], ENCODER_WIDTH) + linear(n, ENCODER_WIDTH, width) for kind, n in others.items() if n
    )


def expansion_flops(cfg: ModelConfig, level: int) -> int:
    """FLOPs of reconstructing one entry of a level, down to the vectors it was made of.

    Parameters
    ----------
    cfg : ModelConfig
        Sizes of the model.
    level : int
        Of the entry.

    Returns
    -------
    int
    """
    rounds = sum(cfg.merge**done for done in range(level))
    return rounds * linear(1, COMPRESSOR_RATIO * cfg.d_model, (1 + cfg.merge) * cfg.d_model)


def match_flops(cfg: ModelConfig) -> Parts:
    """FLOPs, once for all questions at the end of a segment, of reconstructing the store and of the keys of all its parts."""
    depth = len(cfg.capacities) - 1
    opened = sum(n * expansion_flops(cfg, level) for level, n in enumerate(cfg.capacities))
    return {"store": opened, "retrieval": linear(n_readable(cfg) * cfg.merge**depth, cfg.d_model, cfg.d_model)}


def question_flops(cfg: ModelConfig, n_token: int, n_answer: int, n_read: int) -> Parts:
    """FLOPs of one question and one pass of the decoder over its answer, by part; `match_flops` come on top.

    Parameters
    ----------
    cfg : ModelConfig
        Sizes of the model.
    n_token, n_answer : int
        Tokens of the question and of its answer.
    n_read : int
        Vectors that it read, parts of compressed entries counted apart; `most_read` is the most there can be.

    Returns
    -------
    dict of str to int
    """
    d, heads = cfg.d_model, cfg.slot_heads * cfg.slot_head_dim
    places = n_readable(cfg) * cfg.merge ** (len(cfg.capacities) - 1)
    encoded = 4 * linear(n_token, d, d) + 4 * n_token**2 * d
    pooled = linear(n_token, d, cfg.slot_heads + heads) + 2 * n_token * heads + linear(1, heads, d)
    shown = n_read * cfg.read_views
    return {
        "retrieval": 2 * places * d,
        "question": encoded + pooled + cfg.question_layers * _reading_flops(cfg, n_token, n_read),
        "decoder": linear(n_read, d, cfg.read_views * d)
        + cfg.decoder_layers * _reading_flops(cfg, n_answer, n_token + shown)
        + linear(n_answer, d, cfg.vocab_size),
    }


def _reading_flops(cfg: ModelConfig, n_query: int, n_source: int) -> int:
    """Self-attention, attention over what was read, MLP."""
    d = cfg.d_model
    own = 4 * linear(n_query, d, d) + 4 * n_query**2 * d
    crossed = 2 * linear(n_query, d, d) + 2 * linear(n_source, d, d) + 4 * n_query * n_source * d
    return own + crossed + 2 * linear(n_query, d, cfg.mlp_ratio * d)


def most_read(cfg: ModelConfig) -> int:
    """Vectors that a question reads where every entry it retrieves is of the last level."""
    return cfg.retrieve * cfg.merge ** (len(cfg.capacities) - 1)


# parameters and bytes of the memory model


def parameters(cfg: ModelConfig) -> Parts:
    """Parameters by part."""
    d, heads, inner = cfg.d_model, cfg.slot_heads * cfg.slot_head_dim, cfg.ssd_heads * cfg.ssd_head_dim
    mixed, wide, width = inner + 2 * cfg.ssd_state, COMPRESSOR_RATIO * cfg.d_model, cfg.control_width
    layer = 2 * d * inner + d * (mixed + cfg.ssd_heads) + d + inner + mixed * (cfg.conv_width + 1) + 3 * cfg.ssd_heads
    reading = 3 * d + 8 * d * d + mlp(d, cfg.mlp_ratio * d, d)
    control = 10 + 2 * len(cfg.capacities) + CONTENT_WIDTH
    return {
        "encoders": encoder_parameters(cfg.vocab_size, d),
        "backbone": cfg.n_layers * layer + d,
        "importance": 2 * d * IMPORTANCE_WIDTH + 2 * IMPORTANCE_WIDTH + 1,
        "context": 4 * d * heads + d * d + cfg.slot_heads * cfg.slot_window,
        "working": cfg.working_slots * (d + 1) + 3 * d * d + 3 * d + 1,
        "store": d + mlp(cfg.merge * d, wide, d) + mlp(d, wide, cfg.merge * d),
        "controller": d + (d + 1) * CONTENT_WIDTH + mlp(control, 2 * width, width) + (width + 1) * (1 + len(Action)),
        "retrieval": 2 * d + d * d + len(cfg.capacities) + 1,
        "question": cfg.max_question * d + 4 * d + 4 * d * d + d * cfg.slot_heads + 2 * d * heads + cfg.question_layers * reading,
        "decoder": (cfg.max_answer + 1) * d + 2 * d + cfg.read_views * (d + 1) * d + cfg.decoder_layers * reading,
        "lm_head": 2 * d + 4 * d * d,
    }  # fmt: skip


def mlp(n_in: int, n_hidden: int, n_out: int) -> int:
    """Parameters of two linear maps with their biases.

    Parameters
    ----------
    n_in, n_hidden, n_out : int
        Widths.

    Returns
    -------
    int
    """
    return (n_in + 1) * n_hidden + (n_hidden + 1) * n_out


def encoder_parameters(vocab_size: int, width: int) -> int:
    """Parameters of the token embedding and of the encoders of the other modalities.

    Parameters
    ----------
    vocab_size, width : int
        Tokens, and features of the model.

    Returns
    -------
    int
    """
    tables = (vocab_size + len(Modality)) * width
    return tables + sum(mlp(n, ENCODER_WIDTH, width) for n in PAYLOAD.values())


def state_bytes(cfg: ModelConfig) -> Parts:
    """Bytes that one sequence carries from segment to segment, by the part that writes them; float32 and int64."""
    d, inner = cfg.d_model, cfg.ssd_heads * cfg.ssd_head_dim
    layer = (inner + 2 * cfg.ssd_state) * (cfg.conv_width - 1) + inner * cfg.ssd_state
    entry = FLOAT * (d + 5) + INTEGER * 4 + FLAG
    return dict.fromkeys(PARTS, 0) | {
        "backbone": FLOAT * cfg.n_layers * layer,
        "context": (cfg.slot_window - 1) * (FLOAT * d + FLAG),
        "working": FLOAT * cfg.working_slots * d,
        "store": n_entry(cfg) * entry,
    }


def read_bytes(cfg: ModelConfig) -> int:
    """Bytes that a question reads: content of [M_ctx, M_t, L_t] with log-priors, ages, levels, ids, kinds and places."""
    return n_readable(cfg) * (FLOAT * (cfg.d_model + 2) + INTEGER * 5 + FLAG)


# interactions (see the module)


def memory_interactions(cfg: ModelConfig, length: int) -> int:
    """Interactions of encoding a context of whole segments.

    Parameters
    ----------
    cfg : ModelConfig
        Sizes of the model.
    length : int
        Positions of the context.

    Returns
    -------
    int
    """
    n_agent = cfg.n_slots + n_entry(cfg)
    scan = cfg.n_layers * cfg.segment_length * (cfg.chunk + 1) // 2
    written = cfg.n_slots * cfg.slot_window + cfg.working_slots * (cfg.n_slots + cfg.recalls)
    control = 2 * n_agent**2 + n_agent * cfg.working_slots
    return (scan + written + control) * (length // cfg.segment_length)


def memory_question_interactions(cfg: ModelConfig, n_token: int, n_answer: int) -> int:
    """Interactions of one question and its answer, where every vector that is read is of the last level: the most there can be.

    Parameters
    ----------
    cfg : ModelConfig
        Sizes of the model.
    n_token, n_answer : int
        Tokens of the question and of its answer.

    Returns
    -------
    int
    """
    n_read = most_read(cfg)
    asked = n_token * (n_token + 1) + n_readable(cfg)
    filled = cfg.question_layers * n_token * (n_token + n_read)
    decoded = cfg.decoder_layers * (n_answer * (n_answer + 1) // 2 + n_answer * (n_token + n_read * cfg.read_views))
    return asked + filled + decoded
