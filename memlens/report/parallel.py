"""The analyses of a report: one after the other, or several at a time in processes of their own."""

import pickle
from collections.abc import Generator, Mapping
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from memlens.errors import AnalysisError
from memlens.processes import kill, pool
from memlens.report.section import Section, analyse

if TYPE_CHECKING:
    from memlens.recording.protocol import RecordingLike


def analyse_all(
    recording: "RecordingLike", chosen: Mapping[str, dict[str, Any]], model: Any = None, workers: int = 1
) -> Generator[Section]:
    """Run analyses one by one, or several at a time. Close the generator if you stop before its end: that ends the processes.

    Parameters
    ----------
    recording : RecordingLike
        What they are run on.
    chosen : Mapping[str, dict]
        Names of analyses, with their parameters.
    model
        The model that made the recording, for analyses that run it.
    workers : int
        Processes; with 1, analyses run in this one.

    Yields
    ------
    Section
        In the order of ``chosen``.

    Raises
    ------
    AnalysisError
        When the recording or the model cannot be handed to another process, or one was killed.
    """
    n = min(workers, len(chosen))
    if n < 2:
        yield from (analyse(recording, name, params, model) for name, params in chosen.items())
        return
    try:
        given = pickle.dumps((recording, model))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise AnalysisError(
            f"the recording or the model cannot be handed to another process: {error}; take 1 worker"
        ) from None
    others = pool(n, _begin, given)
    try:
        for section in [others.submit(_analyse, name, params) for name, params in chosen.items()]:
            yield section.result()
    except BrokenProcessPool:
        raise AnalysisError(
            "a process that ran an analysis ended early: it was killed, memory ran out, or the script that asks for the report also does "
            f"so when it is imported; take fewer workers than {n}, and write the report under if __name__ == '__main__'"
        ) from None
    except BaseException:
        kill(others)
        raise
    finally:
        others.shutdown(cancel_futures=True)


# in a worker

_GIVEN: list[Any] = []


def _begin(given: bytes) -> None:
    _GIVEN[:] = pickle.loads(given)


def _analyse(name: str, params: dict[str, Any]) -> Section:
    recording, model = _GIVEN
    return analyse(recording, name, params, model)
