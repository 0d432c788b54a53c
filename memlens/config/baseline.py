"""Sizes of the baselines without memory."""

from collections.abc import Callable
from itertools import count
from operator import itemgetter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator

from memlens.config.base import Config
from memlens.errors import ConfigError

#: How far from the wanted number of parameters ``BaselineConfig.nearest`` may end.
TOLERANCE = 0.05
#: What it chooses from: widths in steps of one head, and widths of the MLP where the usual one does not fit.
HEAD_WIDTH = 32
MLP_RATIOS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)


class BaselineConfig(Config):
    """Sizes of a baseline: a language model of the stream, of the memory model's encoders and size, but without its memory.

    "attention" sees ``window`` positions, itself among them, through ``n_heads`` heads; "ssm" carries a state of ``ssd_heads`` by
    ``ssd_head_dim`` by ``ssd_state`` numbers a layer.
    """

    kind: Literal["attention", "ssm"]
    vocab_size: int = 1024
    d_model: int = 128
    segment_length: int = 512
    n_layers: int = 4
    mlp_ratio: float = 2.0
    # attention
    n_heads: Annotated[int, Field(ge=1, validate_default=True)] = 4
    window: Annotated[int, Field(ge=1)] = 512
    # ssm
    ssd_heads: int = 8
    ssd_head_dim: int = 32
    ssd_state: int = 64
    conv_width: int = 4
    chunk: int = 32
    # questions
    max_question: int = 64
    max_answer: int = 12

    @field_validator("n_heads")
    @classmethod
    def _fits_width(cls, n_heads: int, info: ValidationInfo) -> int:
        width = info.data.get("d_model", 0)
        if info.data.get("kind") == "attention" and width % (2 * n_heads):
            raise ValueError(
                f"d_model is {width}, expected a multiple of 2 n_heads: rotary positions turn pairs of features"
            )
        return n_heads

    @classmethod
    def nearest(
        cls, kind: Literal["attention", "ssm"], n_parameter: int, parameters: "Callable[[Self], int]", **fixed: Any
    ) -> Self:
        """The baseline whose number of parameters comes closest to a wanted one.

        Its width is chosen, in heads of 32 ("ssm": twice as many heads, the expansion of Mamba, Gu and Dao 2023); where no width comes
        within 5 %, the MLP's too.

        Parameters
        ----------
        kind : "attention" or "ssm"
            Of the mixer.
        n_parameter : int
            The wanted number.
        parameters : callable
            Counts the parameters of a config.
        **fixed
            Other fields, such as ``n_layers``.

        Returns
        -------
        BaselineConfig
            Within 5 %.

        Raises
        ------
        ConfigError
            When nothing comes within 5 %, when ``d_model`` is fixed, or when a field is unknown or out of range.
        """
        if "d_model" in fixed:
            raise ConfigError("d_model is what is chosen by size: leave it out, or make a BaselineConfig")

        def closest_width(mlp_ratio: float) -> tuple[int, Self]:
            tried = []
            for heads in count(1):
                chosen = {
                    "d_model": HEAD_WIDTH * heads,
                    "n_heads": heads,
                    "ssd_heads": 2 * heads,
                    "mlp_ratio": mlp_ratio,
                }
                cfg = cls.parse({"kind": kind, **chosen, **fixed}, where="equal size")
                n = parameters(cfg)
                tried.append((abs(n - n_parameter), cfg))
                if n >= n_parameter:
                    break
            return min(tried, key=itemgetter(0))

        miss, cfg = closest_width(fixed.get("mlp_ratio", cls.model_fields["mlp_ratio"].default))
        if miss > TOLERANCE * n_parameter and "mlp_ratio" not in fixed:
            miss, cfg = min(map(closest_width, MLP_RATIOS), key=itemgetter(0))
        if miss > TOLERANCE * n_parameter:
            raise ConfigError(
                f"no '{kind}' baseline of {cfg.n_layers} layers has {n_parameter:,} parameters within {TOLERANCE:.0%}: the nearest has "
                f"{parameters(cfg):,}; give another n_layers"
            )
        return cfg
