"""Frozen configurations, one class per owner. Unknown keys are refused; a config is saved with every result."""

import re
import tomllib
from collections.abc import Callable
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from memlens.errors import ConfigError, closest


class Config(BaseModel):
    """Base: frozen, extras forbidden, errors in our own words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, values: dict[str, Any], where: str = "config") -> Self:
        """Validate ``values``; raise ConfigError naming the first key that is wrong and the closest right ones."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise cls.explained(error, where) from None

    @classmethod
    def explained(cls, error: ValidationError, where: str) -> ConfigError:
        """Say what is wrong, in our own words: what was got, what was expected, and the closest right name.

        Parameters
        ----------
        error : ValidationError
            Of this class. An unknown key is named before all else: a missing one may be the same with a slip.
        where : str
            What the values belong to, for the start of the message.

        Returns
        -------
        ConfigError
            To be raised.
        """
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        key, got = ".".join(str(part) for part in first["loc"]), repr(first.get("input"))
        owner = _owner(cls, first["loc"])
        fields = getattr(owner, "model_fields", {})
        if first["type"] == "extra_forbidden":
            return ConfigError(f"{where}: unknown key '{key}'; {closest(str(first['loc'][-1]), fields)}")
        if first["type"] == "missing":
            needed = [name for name, field in fields.items() if field.is_required()]
            return ConfigError(f"{where}: '{key}' is missing; give {', '.join(needed)}")
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "literal_error":
            names = re.findall("'([^']*)'", first.get("ctx", {}).get("expected", ""))
            message = f"expected {' or '.join(names)}; {closest(str(first['input']), names)}"
        wanted = message.removeprefix("Input should be ")
        if wanted != message:
            message = f"expected {'a value ' * wanted.startswith(('greater', 'less'))}{wanted}"
        # what keys say together has no place of its own
        if not key:
            return ConfigError(f"{where}: {message}")
        return ConfigError(f"{where}: '{key}' is {got}{', ' if message.startswith('expected') else ': '}{message}")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a TOML file."""
        if not isinstance(path, str | Path):
            raise ConfigError(f"the path of a config is {path!r}, expected a str or Path of a TOML file")
        path = Path(path)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"no config file at '{path}'; give the path of a TOML file") from None
        except OSError as error:
            raise ConfigError(
                f"config '{path}' cannot be read: {error.strerror}; give the path of a TOML file"
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"'{path}' is not valid TOML: {error}") from None
        return cls.parse(values, where=str(path))


def _owner(cls: Any, loc: tuple[int | str, ...]) -> Any:
    """The config class that the last part of an error's place belongs to, None where it is in none."""
    owner = cls
    for part in loc[:-1]:
        if not isinstance(part, int):
            field = getattr(owner, "model_fields", {}).get(part)
            owner = None if field is None else _config_in(field.annotation)
    return owner


def _config_in(annotation: Any) -> Any:
    """The config class in the annotation of a key that holds one, or a tuple of them, or one or nothing."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation
    found = [_config_in(part) for part in get_args(annotation)]
    return next((part for part in found if part is not None), None)


class ModelConfig(Config):
    """Sizes of the memory model. Defaults are those of ``nano``.

    ``capacities`` are entries a level (at least three levels, each of at least 2); ``merge`` entries become one.
    """

    vocab_size: int = 1024
    d_model: int = 128
    segment_length: int = 512
    # backbone
    n_layers: int = 2
    ssd_heads: int = 4
    ssd_head_dim: int = 32
    ssd_state: int = 32
    conv_width: int = 4
    chunk: int = 32
    # context memory
    n_slots: int = 32
    slot_window: int = 40
    slot_heads: int = 8
    slot_head_dim: int = 32
    pick_width: int = 17
    event_threshold: float | None = None
    # working memory
    working_slots: int = 16
    working_writes: int = 4
    # long-term store
    capacities: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=3)] = (128, 32, 8)
    merge: Literal[2] = 2
    recalls: int = 2
    policy: str = "learned"
    # retrieval, question, decoder
    n_heads: int = 4
    retrieve: int = 4
    question_layers: int = 1
    decoder_layers: int = 2
    read_views: int = 4
    max_question: int = 64
    max_answer: int = 12
    mlp_ratio: int = 2
    control_width: int = 64
    _device: str = PrivateAttr("cpu")

    @property
    def device(self) -> str:
        """Where the model that has these sizes is: TransformerLens looks for it here. Not saved."""
        return self._device

    def on(self, device: object) -> Self:
        """The same sizes, of a model on this device."""
        if str(device) == self._device:
            return self
        moved = self.model_copy()
        moved._device = str(device)
        return moved


class TaskConfig(Config):
    """A task that training rows are drawn from: odds of ``share``, at most ``most`` facts a row, the task's options.

    ``filler`` stands in for the task's own. Before ``first_stage`` the curriculum goes without it.
    """

    name: str = "needle"
    share: float = Field(default=1.0, gt=0)
    most: int = Field(default=1000, ge=1)
    first_stage: int = Field(default=0, ge=0)
    filler: str | None = None
    options: dict[str, Any] = {}


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
        """The baseline whose number of parameters comes closest to ``n_parameter``; ``parameters`` counts those of a config.

        Its width is chosen, in heads of 32 ("ssm": twice as many heads, the expansion of Mamba, Gu and Dao 2023); where no width comes
        within 5 %, the MLP's too.

        Parameters
        ----------
        fixed
            Other fields, such as ``n_layers``.

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


class StageConfig(Config):
    """One step of the curriculum: rows of ``n_token`` positions with ``n_fact`` facts, until ``until`` of answers are exact, or for
    ``at_most`` updates.

    Rows come in ``n_segment`` segments. ``sparse`` rows hold anything from 3 to ``n_fact`` facts, and sometimes come in twice as
    many segments; ``compress`` is the share of slots that is merged; ``pick_width`` stands in for the model's.
    """

    n_row: int = Field(default=16, ge=1)
    n_token: int = Field(default=512, ge=1)
    n_segment: int = Field(default=1, ge=1)
    n_fact: int = Field(default=24, ge=1)
    n_question: int = Field(default=16, ge=1)
    until: float = 0.9
    at_least: int = 100
    at_most: int | None = Field(default=None, ge=1)
    compress: float = 0.0
    sparse: bool = False
    pick_width: int | None = None

    @model_validator(mode="after")
    def _cuts_evenly(self) -> Self:
        pieces = self.n_segment * (2 if self.sparse else 1)
        if self.n_token % pieces:
            raise ValueError(f"n_token is {self.n_token}, expected a multiple of the {pieces} segments of a row")
        return self


class StreamConfig(Config):
    """A kind of stream that Q learns on: its name, its odds, its options."""

    name: str = "builtin"
    share: float = Field(default=1.0, gt=0)
    options: dict[str, Any] = {}


class QConfig(Config):
    """Q phases. ``rent`` is nats a segment at level 0, times ``rent_decay`` a level further.

    In the first ``monte_carlo`` of the ``rounds`` the policy ``behaviour`` acts, with ``room`` times the capacities, and Q is regressed on
    whole returns; in the others Q itself acts, and learns from ``n_step`` double-DQN targets. A log is ``n_stream`` streams, drawn from
    ``tasks``. Every ``check`` updates Q is tried on ``n_validation`` others; the best is kept, and a round ends when ``patience`` checks
    in a row were no better.
    """

    rounds: int = 1
    monte_carlo: int = 1
    behaviour: str = "importance"
    tasks: Annotated[tuple[StreamConfig, ...], Field(min_length=1)] = (StreamConfig(),)
    n_stream: int = 8
    n_token: int = 60_000
    n_validation: int = 4
    room: int = 1
    rent: float = 0.001
    rent_decay: float = 0.7
    gamma: float = 0.995
    epsilon: float = 0.2
    epsilon_last: float = 0.1
    n_step: int = 20
    steps: int = 300
    batch: int = 4096
    refresh: int = 100
    soft_target: float = 0.005
    content_noise: float = 2.0
    learning_rate: float = 3e-4
    check: int = 100
    patience: int = 4


class LossWeights(Config):
    """Weights of the loss's terms in the total. A term whose weight is 0 is still measured."""

    answer: float = Field(default=1.0, ge=0)
    retrieval: float = Field(default=0.5, ge=0)
    predict: float = Field(default=0.2, ge=0)
    fidelity: float = Field(default=0.3, ge=0)
    importance: float = Field(default=0.1, ge=0)


class TrainConfig(Config):
    """A whole training run: ``steps`` memory updates along the curriculum, cut by ``alternations`` Q phases.

    ``tasks`` are what rows are drawn from, the first one leads the curriculum; ``carry`` are the odds of starting from the last
    batch's final state, ``mixed`` of a batch of an earlier stage, ``two_segments`` of cutting sparse rows once more; ``noise`` is
    added to importance when slots are picked. With a ``baseline`` that is trained, in the place of a memory model. ``workers``
    processes make rows ahead of time; rows are the same with any number of them.
    """

    name: str = "model"
    seed: int = Field(default=0, ge=0)
    steps: int = Field(default=4000, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    matrix_rate: float = Field(default=5e-3, gt=0)
    last_rate: float = Field(default=0.05, ge=0, le=1)
    warmup: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    noise: float = 0.3
    distractors: int = 3
    carry: float = 0.5
    mixed: float = Field(default=0.0, ge=0, lt=1)
    two_segments: float = 0.25
    shards: int = Field(default=1, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"
    bfloat16: bool = True
    threads: int = Field(default=1, ge=1)
    workers: int = Field(default=0, ge=0)
    log_every: int = Field(default=20, ge=1)
    checkpoint_every: int = Field(default=200, ge=1)
    alternations: int = Field(default=2, ge=0)
    last_share: float = 0.1
    weights: LossWeights = LossWeights()
    tasks: Annotated[tuple[TaskConfig, ...], Field(min_length=1)] = (TaskConfig(),)
    stages: Annotated[tuple[StageConfig, ...], Field(min_length=1)] = (StageConfig(),)
    model: ModelConfig = ModelConfig()
    q: QConfig = QConfig()
    baseline: BaselineConfig | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for i, stage in enumerate(self.stages):
            if stage.n_row % self.shards:
                raise ValueError(f"stages.{i}.n_row is {stage.n_row}, expected a multiple of shards, {self.shards}")
        if self.tasks[0].first_stage:
            raise ValueError(f"tasks.0.first_stage is {self.tasks[0].first_stage}, expected 0: it leads the curriculum")
        if self.last_share * max(0, self.alternations - 1) >= 1:
            raise ValueError(
                f"alternations is {self.alternations} and last_share {self.last_share}: nothing is left for the first memory phase"
            )
        defaults = {key: type(self).model_fields[key].default for key in ("alternations", "last_share", "model", "q")}
        named = [key for key, default in defaults.items() if getattr(self, key) not in (default, 0)]
        if self.baseline is not None and named:
            raise ValueError(f"a baseline has no memory and no Q phases; leave out {', '.join(named)}, or the baseline")
        return self
