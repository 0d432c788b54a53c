"""What a record call takes beside the model, the stream and the path. Needs no torch."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from memlens.config import Config


def _several(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


class RecordOptions(Config):
    """How ``memlens.record`` and ``memlens.replay`` record a run.

    A wrong option or value is a ConfigError that names it and the closest right ones.

    Attributes
    ----------
    points : tuple of str
        Hook points to record: names, globs, groups, "default" or "all" (all that fire in every segment). ``@START:STOP:STEP`` after one,
        as in ``context.hook_slot@0:200:10`` or ``backbone@::4``, records it in those segments only; the others hold the fill value.
    attention_top : int
        Record only this many of the largest weights of points of the group "attention", and their indices; 0 records all weights.
    states_every : int
        Save the memory's state before every such segment, and after the last one, so that a run can continue there; 0 saves none.
    commit_every : int
        Segments in a block; each block is written in one commit.
    dtype : str
        "float16", "float32" or "int8": how floats of points are stored. Values that overflow are counted (``fp16_overflow``).
    resume : bool
        Continue the recording at the path after its last commit. A complete one is returned as it is, and where there is none a new one
        starts. The run has to be the same.
    progress : function or None
        Called after each segment with the number of segments done, their total, and what is being done
        (``segments recorded: N committed``).
    interventions : tuple
        Changes of the run, as ``memlens.interventions`` makes them, in order. Points are recorded after all interventions.
    parent : Recording or None
        The recording that this one is to be compared with.
    attrs : dict
        Root attributes to set beside those that ``record`` measures.
    """

    points: Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)] = ("default",)
    attention_top: int = Field(default=0, ge=0)
    states_every: int = Field(default=16, ge=0)
    commit_every: int = Field(default=128, ge=1)
    dtype: Literal["float16", "float32", "int8"] = "float16"
    resume: bool = False
    progress: Callable[[int, int, str], Any] | None = Field(default=None, repr=False)
    interventions: tuple[Any, ...] = ()
    parent: Any = Field(default=None, repr=False)
    attrs: Mapping[str, Any] = Field(default={}, repr=False)

    def __init__(self, **options: Any):
        try:
            super().__init__(**options)
        except ValidationError as error:
            raise self.explained(error, "RecordOptions") from None

    def replace(self, **options: Any) -> "RecordOptions":
        """The same options with some of them changed."""
        return RecordOptions(**{**self.given(), **options})

    def given(self) -> dict[str, Any]:
        """The options that were given explicitly."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
