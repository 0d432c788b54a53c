"""Grade analyses on planted cases: right, refused, or silently wrong.

A case plants something, or nothing, and says what a right result is. What comes of it is one of:

==============  ==============================================================================================
outcome         means
==============  ==============================================================================================
right           the result is the planted truth, within the case's tolerance; a negative case: something is
                found no more often than at the stated rate
refused         a typed error of memlens said that the data cannot support the analysis
silently wrong  a result that is not the truth, and no error
crashed         an error that is not one of memlens's typed errors
==============  ==============================================================================================
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

from memlens.errors import MemlensError

if TYPE_CHECKING:
    import xarray as xr

    from memlens.recording import Recording

Outcome = Literal["right", "refused", "silently wrong", "crashed"]
Numbers = dict[str, float]


@dataclass(frozen=True)
class Verdict:
    """Whether one result is right, and the numbers that say so; of a negative case, right means that nothing was found."""

    right: bool
    numbers: Numbers = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One planted case of one analysis.

    Attributes
    ----------
    name
        Unique among the cases of its analysis.
    analysis
        As in `memlens.catalogue.CATALOGUE`.
    kind
        "positive": something is planted, and every seed must be right. "negative": nothing is planted, and it may be found at ``rate``.
        "refusal": the data cannot support the analysis, and a typed error must say so.
    claim
        In words: what a right result is, with its tolerance.
    build
        From a seed to a recording, whose attribute ``truth`` holds the truth; or to a recording and further parameters of the analysis,
        such as another recording. Its docstring says what is planted.
    judge
        From the result and the truth to a verdict. A refusal needs none.
    params
        Of the analysis.
    rate
        False-positive rate that a negative case states.
    costly
        Left out of quick runs, and run with the first seed only, such as a case that runs a model.
    """

    name: str
    analysis: str
    kind: Literal["positive", "negative", "refusal"]
    claim: str
    build: "Callable[[int], Recording | tuple[Recording, Mapping[str, Any]]]"
    judge: "Callable[[xr.Dataset, dict[str, Any]], Verdict] | None" = None
    params: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 0.05
    costly: bool = False

    @property
    def plants(self) -> str:
        """What is planted, in words: the docstring of ``build``."""
        return " ".join((self.build.__doc__ or "").split())


@dataclass(frozen=True)
class Grade:
    """What came of a case over its seeds.

    ``wrong`` of ``n`` seeds were wrong (of a negative case: found something), ``low`` to ``high`` is the 95 % Wilson interval of that
    share; ``numbers`` are those of the first wrong seed, else of the first; ``note`` is the error, where there was one.
    """

    outcome: Outcome
    n: int
    wrong: int
    low: float
    high: float
    numbers: Numbers
    note: str = ""


def grade(case: Case, seeds: Sequence[int]) -> Grade:
    """Build, analyse and judge a case for each seed.

    Parameters
    ----------
    case : Case
        A positive one is silently wrong when any seed is; a negative one when the interval of the share in which something was found lies
        above its rate. An error decides a case at once.
    seeds : sequence of int
        What ``case.build`` is called with.

    Returns
    -------
    Grade
    """
    from memlens.catalogue import run
    from memlens.stats.proportions import wilson

    verdicts: list[Verdict] = []
    outcome: Outcome
    for seed in seeds:
        built = case.build(seed)
        recording, params = built if isinstance(built, tuple) else (built, {})
        if _seeded(case):
            params = {"seed": seed, **params}
        try:
            found = run(case.analysis, recording, **case.params, **params)
            verdict = Verdict(False) if case.judge is None else case.judge(found, recording.info.extra.get("truth", {}))
        except MemlensError as error:
            return Grade("refused", len(seeds), 0, 0.0, 0.0, {}, f"{type(error).__name__}: {error}")
        except Exception as error:
            # also where the judge cannot read the result
            return Grade("crashed", len(seeds), 0, 0.0, 0.0, {}, f"{type(error).__name__}: {error}")
        verdicts.append(verdict)
    wrong = [verdict for verdict in verdicts if not verdict.right]
    low, high = (float(bound) for bound in wilson(len(wrong), len(verdicts)))  # pyright: ignore[reportArgumentType]
    bad = low > case.rate if case.kind == "negative" else bool(wrong)
    outcome = "silently wrong" if bad else "right"
    shown = wrong[0] if bad else verdicts[0]
    return Grade(outcome, len(verdicts), len(wrong), low, high, shown.numbers)


def _seeded(case: Case) -> bool:
    """Whether the analysis draws its null from a seed that the case leaves open.

    It then takes the seed of the recording. With one null for all recordings, the rate of findings would depend on that single null.
    """
    from memlens.catalogue import find

    return "seed" in signature(find(case.analysis).function).parameters and "seed" not in case.params


def passes(case: Case, found: Grade) -> bool:
    """Whether a case came out as it should.

    Parameters
    ----------
    case : Case
        A refusal should be refused, all others right.
    found : Grade
        What came of it.

    Returns
    -------
    bool
    """
    return found.outcome == ("refused" if case.kind == "refusal" else "right")
