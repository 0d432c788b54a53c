"""What plain attention of as many parameters costs, by the rules of `memlens.analysis.support.costs`: it sees the whole stream."""

from memlens.analysis.support.costs import FLOAT, Counts, encoder_flops, encoder_parameters, linear, mlp
from memlens.config import BaselineConfig, ModelConfig
from memlens.errors import AnalysisError, ConfigError

#: Positions that attend at once in plain attention, which leaves out the keys after them.
QUERY_BLOCK = 256


def equal_attention(n_parameter: int, cfg: ModelConfig, layers: int) -> BaselineConfig:
    """Plain attention of as many parameters, as baselines are trained: ``BaselineConfig.nearest``.

    Parameters
    ----------
    n_parameter : int
        Of the memory model.
    cfg : ModelConfig
        Its sizes, of which vocabulary and segment length are kept.
    layers : int
        Of plain attention.

    Returns
    -------
    BaselineConfig

    Raises
    ------
    AnalysisError
        When no width has about as many parameters.
    """
    fixed = {"n_layers": layers, "vocab_size": cfg.vocab_size, "segment_length": cfg.segment_length}
    try:
        return BaselineConfig.nearest("attention", n_parameter, attention_parameters, **fixed)
    except ConfigError as error:
        raise AnalysisError(str(error).replace("n_layers", "layers")) from None


def attention_parameters(cfg: BaselineConfig) -> int:
    """Parameters of plain attention."""
    d = cfg.d_model
    layer = 2 * d + 3 * (d + 1) * d + d * d + cfg.n_heads + mlp(d, round(cfg.mlp_ratio * d), d)
    return encoder_parameters(cfg.vocab_size, d) + cfg.n_layers * layer + d


def attention_segment_flops(
    cfg: BaselineConfig, before: int, others: Counts | None = None, *, predict: bool = True
) -> int:
    """FLOPs of one segment of one sequence, which sees all positions before it.

    Parameters
    ----------
    cfg : BaselineConfig
        Sizes of plain attention.
    before : int
        Positions before the segment.
    others : mapping of Modality to int, or None
        Positions of each modality that is no text.
    predict : bool
        Whether the next tokens are predicted.

    Returns
    -------
    int
    """
    s = cfg.segment_length
    ends = [min(low + QUERY_BLOCK, s) for low in range(0, s, QUERY_BLOCK)]
    pairs = sum((end - low) * (before + end) for low, end in zip(range(0, s, QUERY_BLOCK), ends, strict=True))
    total = encoder_flops(cfg.d_model, others or {}) + cfg.n_layers * (_layer_flops(cfg, s) + 4 * cfg.d_model * pairs)
    return total + (linear(s, cfg.d_model, cfg.vocab_size) if predict else 0)


def attention_question_flops(cfg: BaselineConfig, length: int, n_token: int, n_answer: int) -> int:
    """FLOPs of one question, asked by itself after ``length`` positions, and one pass over its answer.

    Parameters
    ----------
    cfg : BaselineConfig
        Sizes of plain attention.
    length : int
        Positions before the question.
    n_token, n_answer : int
        Tokens of the question and of its answer.

    Returns
    -------
    int
    """
    n = n_token + n_answer
    layers = cfg.n_layers * (_layer_flops(cfg, n) + 4 * cfg.d_model * n * (length + n))
    return layers + linear(n_answer, cfg.d_model, cfg.vocab_size)


def _layer_flops(cfg: BaselineConfig, n: int) -> int:
    """Projections and MLP of one layer at n positions."""
    d = cfg.d_model
    return linear(n, d, 4 * d) + 2 * linear(n, d, round(cfg.mlp_ratio * d))


def attention_read_bytes(cfg: BaselineConfig, length: int) -> int:
    """Bytes that a question reads: keys and values of every position and layer.

    Parameters
    ----------
    cfg : BaselineConfig
        Sizes of plain attention.
    length : int
        Positions before the question.

    Returns
    -------
    int
    """
    return FLOAT * 2 * cfg.n_layers * cfg.d_model * length


def attention_interactions(cfg: BaselineConfig, length: int) -> int:
    """Interactions of encoding a context (see `memlens.analysis.support.costs`).

    Parameters
    ----------
    cfg : BaselineConfig
        Sizes of plain attention.
    length : int
        Of the context.

    Returns
    -------
    int
    """
    return cfg.n_layers * length * (length + 1) // 2


def attention_question_interactions(cfg: BaselineConfig, length: int, n_token: int, n_answer: int) -> int:
    """Interactions of one question and its answer.

    Parameters
    ----------
    cfg : BaselineConfig
        Sizes of plain attention.
    length : int
        Positions before the question.
    n_token, n_answer : int
        Tokens of the question and of its answer.

    Returns
    -------
    int
    """
    n = n_token + n_answer
    return cfg.n_layers * (n * length + n * (n + 1) // 2)
