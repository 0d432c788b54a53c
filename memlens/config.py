"""Frozen configurations, one class per owner. Unknown keys are refused; a config is saved with every result."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                owner: Any = cls
                for part in first["loc"][:-1]:
                    owner = owner.model_fields[part].annotation
                names = getattr(owner, "model_fields", {})
                raise ConfigError(f"{where}: unknown key '{key}'; {closest(str(first['loc'][-1]), names)}") from None
            raise ConfigError(f"{where}: '{key}' is {first.get('input')!r}: {first['msg']}") from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a TOML file."""
        path = Path(path)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"no config file at '{path}'; give the path of a TOML file") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"'{path}' is not valid TOML: {error}") from None
        return cls.parse(values, where=str(path))


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


class StageConfig(Config):
    """One step of the curriculum: rows of ``n_token`` positions with ``n_fact`` facts, until ``until`` of answers are exact.

    ``sparse`` rows hold anything from 3 to ``n_fact`` facts; ``compress`` is the share of slots that is merged; ``pick_width`` stands
    in for the model's.
    """

    n_row: int = 16
    n_token: int = 512
    n_fact: int = 24
    n_question: int = 16
    until: float = 0.9
    at_least: int = 100
    compress: float = 0.0
    sparse: bool = False
    pick_width: int | None = None


class QConfig(Config):
    """Q phases. ``rent`` is nats a segment at level 0, times ``rent_decay`` a level further.

    In the first ``monte_carlo`` of the ``rounds`` the policy ``behaviour`` acts and Q is regressed on whole returns; in the others Q
    itself acts, and learns from ``n_step`` double-DQN targets.
    """

    rounds: int = 1
    monte_carlo: int = 1
    behaviour: str = "importance"
    n_stream: int = 8
    n_token: int = 60_000
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


class TrainConfig(Config):
    """A whole training run: ``steps`` memory updates along the curriculum, cut by ``alternations`` Q phases.

    ``mix`` are the odds of text, image, audio and DNA facts; ``carry`` of starting from the last batch's final state;
    ``two_segments`` of cutting full-length rows in two; ``noise`` is added to importance when slots are picked.
    """

    name: str = "model"
    seed: int = 0
    steps: int = 4000
    learning_rate: float = 2e-3
    learning_rate_last: float = 1e-4
    warmup: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    noise: float = 0.3
    distractors: int = 3
    mix: tuple[float, float, float, float] = (0.55, 0.15, 0.15, 0.15)
    restated: float = 0.1
    carry: float = 0.5
    two_segments: float = 0.25
    bfloat16: bool = True
    threads: int = 1
    checkpoint_every: int = 200
    alternations: int = 2
    last_share: float = 0.1
    stages: tuple[StageConfig, ...] = (StageConfig(),)
    model: ModelConfig = ModelConfig()
    q: QConfig = QConfig()
