"""A task: a seeded generator of scenes, with the filler they lie in and the sizes they have by default."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from memlens.errors import StreamError, closest
from memlens.streams.prose import check_split
from memlens.streams.scene import Scene, lay_out
from memlens.streams.stream import Stream


@dataclass(frozen=True)
class Task:
    """A named family of streams.

    Attributes
    ----------
    name, summary : str
    scene : callable
        ``scene(rng, split, n_fact, **options) -> Scene``; the options and their meaning are in its docstring.
    n_token, n_fact : int
        What a stream has unless told otherwise: positions, and facts (pairs, statements, symbols: see the docstring).
    filler : str
        What stands between statements (``scene.find_filler``).
    """

    name: str
    summary: str
    scene: Callable[..., Scene]
    n_token: int
    n_fact: int
    filler: str = "prose"

    @property
    def options(self) -> dict[str, Any]:
        """Options of the scene and their defaults."""
        parameters = list(inspect.signature(self.scene).parameters.values())[3:]
        return {parameter.name: parameter.default for parameter in parameters}

    def check(self, options: dict[str, Any]) -> None:
        """Raise StreamError for an option that the task does not have."""
        for option in options:
            if option not in self.options:
                allowed = self.options or ["none: it has no options"]
                raise StreamError(f"task '{self.name}' has no option '{option}'; {closest(option, allowed)}")

    def draw(self, rng: np.random.Generator, split: str, n_fact: int, **options: Any) -> Scene:
        """One scene.

        Raises
        ------
        StreamError
            For an unknown split or option, or more facts than the split can tell apart.
        """
        check_split(split)
        self.check(options)
        return self.scene(rng, split, n_fact, **options)

    def stream(
        self,
        n_token: int | None = None,
        seed: int = 0,
        split: str = "test",
        n_fact: int | None = None,
        filler: str | None = None,
        **options: Any,
    ) -> Stream:
        """One stream: the same arguments give the same stream, bit for bit.

        Raises
        ------
        StreamError
            As ``draw``; also for a n_token, a number of facts or a seed below zero.
        """
        n_token = self.n_token if n_token is None else n_token
        n_fact = self.n_fact if n_fact is None else n_fact
        for label, value in {"n_token": n_token, "seed": seed, "n_fact": n_fact}.items():
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
                raise StreamError(f"{label} is {value!r}, expected a whole number from 0")
        filler = self.filler if filler is None else filler
        rng = np.random.default_rng(int(seed))
        scene = self.draw(rng, split, int(n_fact), **options)
        config = {"task": self.name, "n_token": int(n_token), "seed": int(seed), "split": split, "n_fact": int(n_fact)}
        return lay_out(
            scene, int(n_token), rng, name=self.name, seed=int(seed), filler=filler, split=split,
            config={**config, "filler": filler, **self.options, **options},
        )  # fmt: skip
