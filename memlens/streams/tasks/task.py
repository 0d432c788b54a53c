"""A task: a seeded generator of scenes, with the filler they lie in and the sizes they have by default."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from memlens.errors import StreamError, closest
from memlens.streams.prose import check_split
from memlens.streams.scene import Scene, lay_out
from memlens.streams.stream import Stream
from memlens.streams.tasks.checks import check_option, check_whole


@dataclass(frozen=True)
class Task:
    """A named family of streams.

    Attributes
    ----------
    name, summary : str
    scene : callable
        ``scene(rng, split, n_fact, **options) -> Scene``; the options and their meaning are in its docstring.
    n_token, n_fact : int
        Defaults of a stream: positions, and facts (pairs, statements, symbols: see the docstring of ``scene``).
    filler : str
        What lies between statements (``scene.find_filler``).
    """

    name: str
    summary: str
    scene: Callable[..., Scene]
    n_token: int
    n_fact: int
    filler: str = "prose"

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        sizes = f"{self.n_token:,} positions, {self.n_fact:,} facts, filler {self.filler}"
        return f"<Task {self.name!r}: {self.summary}; {sizes}; options {options or 'none'}>"

    @property
    def options(self) -> dict[str, Any]:
        """Options of the scene and their defaults."""
        parameters = list(inspect.signature(self.scene).parameters.values())[3:]
        return {parameter.name: parameter.default for parameter in parameters}

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Check the names and types of options, and return them; StreamError for one that the task does not have."""
        known, owner = self.options, f"task '{self.name}'"
        for option in options:
            if option not in known:
                allowed = known or ["none: it has no options"]
                raise StreamError(f"{owner} has no option '{option}'; {closest(str(option), allowed)}")
        return {option: check_option(owner, option, value, known[option]) for option, value in options.items()}

    def draw(self, rng: np.random.Generator, split: str, n_fact: int, **options: Any) -> Scene:
        """Draw one scene.

        Parameters
        ----------
        rng : numpy.random.Generator
            All randomness comes from here: the same state gives the same scene.
        split : {"train", "validation", "test"}
        n_fact : int
        **options
            Options of the task.

        Returns
        -------
        Scene

        Raises
        ------
        StreamError
            For an unknown split or option, a value of the wrong type or out of range, or more facts than the split can tell apart.
        """
        check_split(split)
        return self.scene(rng, split, check_whole("n_fact", n_fact, 0), **self.check(options))

    def stream(
        self,
        n_token: int | None = None,
        seed: int = 0,
        split: str = "test",
        n_fact: int | None = None,
        filler: str | None = None,
        **options: Any,
    ) -> Stream:
        """Make one stream: the same arguments give the same stream, bit for bit.

        Parameters
        ----------
        n_token : int, optional
            Positions of the default tokenizer; the task's own number when not given.
        seed : int
        split : {"train", "validation", "test"}
        n_fact : int, optional
            The task's own number when not given.
        filler : str, optional
            In place of the task's own (``scene.find_filler``).
        **options
            Options of the task.

        Returns
        -------
        Stream

        Raises
        ------
        StreamError
            As ``draw``; also for a negative ``n_token``, ``n_fact`` or ``seed``, or an unknown filler.
        """
        n_token = check_whole("n_token", self.n_token if n_token is None else n_token, 0)
        n_fact = check_whole("n_fact", self.n_fact if n_fact is None else n_fact, 0)
        seed = check_whole("seed", seed, 0)
        filler = self.filler if filler is None else filler
        options = self.check(options)
        rng = np.random.default_rng(seed)
        scene = self.draw(rng, split, n_fact, **options)
        config = {"task": self.name, "n_token": n_token, "seed": seed, "split": split, "n_fact": n_fact}
        return lay_out(
            scene, n_token, rng, name=self.name, seed=seed, filler=filler, split=split,
            config={**config, "filler": filler, **self.options, **options},
        )  # fmt: skip
