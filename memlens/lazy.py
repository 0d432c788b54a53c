"""Packages whose names are imported when they are first used, so that a look at a recording loads no torch."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from memlens.errors import closest


def attach(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make the ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : dict of str to str
        Public name -> where it is: ``module`` for a module itself, ``module:name`` for a name inside of one.

    Returns
    -------
    tuple
        ``__getattr__``, whose AttributeError names the closest public names; ``__dir__``, which lists these alone; ``__all__``.
    """
    own = {"__version__"} & set(vars(sys.modules[package]))
    names: list[str] = sorted({*homes, *own})

    def getattribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'; {closest(name, names)}")
        module, _, attribute = homes[name].partition(":")
        return getattr(import_module(module), attribute) if attribute else import_module(module)

    return getattribute, lambda: list(names), names
