"""What plain attention of as many parameters costs, by the rules of `memlens.analysis.costs`: it sees the whole stream."""

from memlens.analysis.costs import FLOAT, Counts, encoder_flops, encoder_parameters, linear, mlp
from memlens.config import BaselineConfig, ModelConfig
from memlens.errors import AnalysisError

#: Positions that attend at once in plain attention, which leaves out the keys after them.
QUERY_BLOCK = 256
#: Heads of plain attention are this wide, and its width is a multiple of it; widths of its MLP, in widths of the model.
HEAD_WIDTH = 32
MLP_RATIOS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
#: How far from the wanted number of parameters plain attention may end.
TOLERANCE = 0.05


def equal_attention(n_parameter: int, cfg: ModelConfig, layers: int) -> BaselineConfig:
    """Plain attention of as many parameters, as baselines are trained: its width is chosen, and where no width fits, its MLP's too.

    Raises
    ------
    AnalysisError
        When nothing comes within ``TOLERANCE``.
    """

    def miss(own: BaselineConfig) -> int:
        return abs(attention_parameters(own) - n_parameter)

    def sized(heads: int, ratio: float) -> BaselineConfig:
        sizes = {"d_model": HEAD_WIDTH * heads, "n_heads": heads, "n_layers": layers, "mlp_ratio": ratio}
        stream = {"vocab_size": cfg.vocab_size, "segment_length": cfg.segment_length}
        return BaselineConfig.parse({"kind": "attention", **sizes, **stream})

    def nearest(ratio: float) -> BaselineConfig:
        tried = [sized(1, ratio)]
        while attention_parameters(tried[-1]) < n_parameter:
            tried.append(sized(len(tried) + 1, ratio))
        return min(tried, key=miss)

    chosen = nearest(BaselineConfig.model_fields["mlp_ratio"].default)
    if miss(chosen) > TOLERANCE * n_parameter:
        chosen = min(map(nearest, MLP_RATIOS), key=miss)
    if miss(chosen) > TOLERANCE * n_parameter:
        raise AnalysisError(
            f"no plain attention of {layers} layers has {n_parameter:,} parameters within {TOLERANCE:.0%}: the nearest has "
            f"{attention_parameters(chosen):,}; give another layers"
        )
    return chosen


def attention_parameters(cfg: BaselineConfig) -> int:
    """Parameters of plain attention."""
    d = cfg.d_model
    layer = 2 * d + 3 * (d + 1) * d + d * d + cfg.n_heads + mlp(d, round(cfg.mlp_ratio * d), d)
    return encoder_parameters(cfg.vocab_size, d) + cfg.n_layers * layer + d


def attention_segment_flops(
    cfg: BaselineConfig, before: int, others: Counts | None = None, *, predict: bool = True
) -> int:
    """FLOPs of one segment that sees all ``before`` positions before it, of one sequence."""
    s = cfg.segment_length
    ends = [min(low + QUERY_BLOCK, s) for low in range(0, s, QUERY_BLOCK)]
    pairs = sum((end - low) * (before + end) for low, end in zip(range(0, s, QUERY_BLOCK), ends, strict=True))
    total = encoder_flops(cfg.d_model, others or {}) + cfg.n_layers * (_layer_flops(cfg, s) + 4 * cfg.d_model * pairs)
    return total + (linear(s, cfg.d_model, cfg.vocab_size) if predict else 0)


def attention_question_flops(cfg: BaselineConfig, length: int, n_token: int, n_answer: int) -> int:
    """FLOPs of one question, asked by itself after ``length`` positions, and one pass over its answer."""
    n = n_token + n_answer
    layers = cfg.n_layers * (_layer_flops(cfg, n) + 4 * cfg.d_model * n * (length + n))
    return layers + linear(n_answer, cfg.d_model, cfg.vocab_size)


def _layer_flops(cfg: BaselineConfig, n: int) -> int:
    """Projections and MLP of one layer at n positions."""
    d = cfg.d_model
    return linear(n, d, 4 * d) + 2 * linear(n, d, round(cfg.mlp_ratio * d))


def attention_read_bytes(cfg: BaselineConfig, length: int) -> int:
    """Bytes that a question reads: keys and values of every position and layer."""
    return FLOAT * 2 * cfg.n_layers * cfg.d_model * length


def attention_interactions(cfg: BaselineConfig, length: int) -> int:
    """Of encoding a context."""
    return cfg.n_layers * length * (length + 1) // 2


def attention_question_interactions(cfg: BaselineConfig, length: int, n_token: int, n_answer: int) -> int:
    """Of one question and its answer."""
    n = n_token + n_answer
    return cfg.n_layers * (n * length + n * (n + 1) // 2)
