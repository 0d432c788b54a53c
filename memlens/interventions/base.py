"""What all interventions share: frozen values that are saved as JSON and say in which segments they act."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import Field, ValidationError, WrapValidator

from memlens.config import Config
from memlens.errors import ConfigError, InterventionError
from memlens.model.run import Change

Index = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Span(Config):
    """Segments from ``start`` to before ``stop``, or to the end; what a slice or a range is saved as."""

    start: Index = 0
    stop: Index | None = None
    step: Annotated[int, Field(ge=1)] = 1

    def slice(self) -> slice:
        """As ``memlens.at`` takes it."""
        return slice(self.start, self.stop, self.step)


def _segments(given: Any, validate: Callable[[Any], Any]) -> Any:
    """What was given for ``segment``; one message for all forms that it can have."""
    if isinstance(given, slice | range):
        given = {"start": given.start or 0, "stop": given.stop, "step": given.step or 1}
    elif isinstance(given, set | frozenset):
        given = list(given)
    try:
        return validate(given)
    except ValidationError:
        raise ValueError("expected a segment (0 or more), a list of segments, a range or a slice") from None


#: A segment, several of them, a slice or range of them, or None: all.
Segments = Annotated[Index | tuple[Index, ...] | Span | None, WrapValidator(_segments)]


class Intervention(Config, Change):
    """Base of all kinds. Its kind is its class's name in lower case.

    Raises
    ------
    ConfigError
        When a field is unknown, missing or wrong; the message names it, and the closest right name.
    """

    segment: Segments = None

    @classmethod
    def kind(cls) -> str:
        """The name of the class where it is saved."""
        return cls.__name__.lower()

    def __init__(self, *unnamed: Any, **values: Any):
        if unnamed:
            raise ConfigError(
                f"intervention '{self.kind()}': got {', '.join(map(repr, unnamed))} without a name, expected fields by name, of: "
                f"{', '.join(type(self).model_fields)}"
            )
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise self.explained(error, f"intervention '{self.kind()}'") from None

    def to_dict(self) -> dict[str, Any]:
        """The intervention as JSON can hold it; ``interventions.from_dict`` is the way back."""
        return {"kind": self.kind(), **self.model_dump(mode="json", exclude_defaults=True)}

    def check(self, model: Any, n_segment: int) -> None:
        """Refuse what the run does not have: segments of its streams, and points and slots of its model.

        Parameters
        ----------
        model : MemoryModel
            The model that will run.
        n_segment : int
            Segments of the longest stream.

        Raises
        ------
        InterventionError
            When it names a segment from ``n_segment`` on, or a slot that the model does not have.
        PointError
            When it names a point that the model does not have, or an axis that the point does not have.
        """
        wanted = self.segment
        first: Iterable[int] = () if wanted is None else [wanted.start] if isinstance(wanted, Span) else self._listed()
        beyond = [t for t in first if t >= n_segment]
        if beyond:
            raise InterventionError(
                f"{self.kind()} is to act in segment {beyond[0]}, but the streams have segments 0 to {n_segment - 1}"
            )
        self._check_model(model)

    def _check_model(self, model: Any) -> None:
        """Raise when the model lacks what is addressed."""

    def _listed(self) -> tuple[int, ...]:
        return (self.segment,) if isinstance(self.segment, int) else self.segment  # pyright: ignore[reportReturnType]

    @property
    def address(self) -> Any:
        """The segments as ``memlens.at`` takes them."""
        return self.segment.slice() if isinstance(self.segment, Span) else self.segment

    def acts(self, segment: int) -> bool:
        """Whether it acts in a segment."""
        wanted = self.segment
        if isinstance(wanted, Span):
            stop = segment + 1 if wanted.stop is None else wanted.stop
            return segment in range(wanted.start, stop, wanted.step)
        return wanted is None or segment in self._listed()
