"""A training run: tasks, curriculum, Q phases, weights of the loss."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from memlens.config.base import Config
from memlens.config.baseline import BaselineConfig
from memlens.config.model import ModelConfig


class TaskConfig(Config):
    """A task that training rows are drawn from: odds of ``share``, at most ``most`` facts a row, the task's options.

    ``filler`` stands in for the task's own. Before ``first_stage`` the curriculum goes without it.
    """

    name: str = "needle"
    share: float = Field(default=1.0, gt=0)
    most: int = Field(default=1000, ge=1)
    first_stage: int = Field(default=0, ge=0)
    filler: str | None = None
    options: dict[str, Any] = Field(default={})


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
    options: dict[str, Any] = Field(default={})


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
