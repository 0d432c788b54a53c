"""The planted cases that `python -m analyses.grading` grades: one file a theme, each with a tuple ``CASES``."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from memlens.testing.grading import Case


@cache
def cases() -> tuple[Case, ...]:
    """All cases, in the order of their analysis and kind, then of their files."""
    from memlens.catalogue import CATALOGUE

    files = sorted(module.name for module in iter_modules(__path__))
    found = [case for name in files for case in import_module(f"{__name__}.{name}").CASES]
    order = {analysis.name: i for i, analysis in enumerate(CATALOGUE)}
    kinds = ("positive", "negative", "refusal")
    return tuple(sorted(found, key=lambda case: (order[case.analysis], kinds.index(case.kind))))
