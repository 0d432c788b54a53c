"""The curriculum: stages whose rows get longer, hold more facts and more segments; each ends when it is learned or its time is up."""

from dataclasses import dataclass

import numpy as np

from memlens.config import StageConfig, TrainConfig
from memlens.training.episodes import EpisodeShape

#: Weight of a step in the moving average of exact answers.
_AVERAGE = 0.03
#: The fewest facts of a sparse row.
_FEWEST = 3


@dataclass(frozen=True)
class Batch:
    """What one update trains on: a stage, the shape of each shard, and whether rows start from the last final state."""

    number: int
    stage: StageConfig
    shape: EpisodeShape
    carry: bool


@dataclass
class Curriculum:
    """Where a run is in the curriculum.

    Attributes
    ----------
    stage : int
    stage_step : int
        Updates that the stage has had.
    accuracy : float
        Moving average of exact answers in this stage; starts at 0.
    """

    config: TrainConfig
    stage: int = 0
    stage_step: int = 0
    accuracy: float = 0.0

    def draw(self, rng: np.random.Generator) -> Batch:
        """Draw the next batch: of this stage or, with probability ``mixed``, of an earlier one."""
        c = self.config
        number = self.stage
        if number and rng.random() < c.mixed:
            number = int(rng.integers(number))
        stage = c.stages[number]
        n_fact, n_segment = stage.n_fact, stage.n_segment
        if stage.sparse:
            # from as sparse as a real stream to as dense as in earlier stages
            n_fact = round(_FEWEST * (stage.n_fact / _FEWEST) ** rng.random())
            n_segment *= 2 if rng.random() < c.two_segments else 1
        shape = EpisodeShape(stage.n_row // c.shards, stage.n_token, n_segment, n_fact, stage.n_question)
        return Batch(number, stage, shape, bool(rng.random() < c.carry))

    def learn(self, batch: Batch, exact: float | None) -> None:
        """Note how a batch went, and move on to the next stage when it is time.

        Parameters
        ----------
        batch : Batch
        exact : float or None
            Share of the first task's questions that were answered exactly; None when none was asked.
        """
        if batch.number != self.stage:
            return
        self.stage_step += 1
        if exact is not None:
            self.accuracy += _AVERAGE * (exact - self.accuracy)
        stage = batch.stage
        learned = self.accuracy > stage.until and self.stage_step >= stage.at_least
        due = stage.at_most is not None and self.stage_step >= stage.at_most
        if (learned or due) and self.stage < len(self.config.stages) - 1:
            self.stage, self.stage_step, self.accuracy = self.stage + 1, 0, 0.0
