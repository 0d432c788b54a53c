"""Frozen bundles of tensors that move, clone, detach, flatten and fill as one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from memlens.model.indexing import take

#: Type variables and not Self: run-time checks decorate methods one by one.
Bundle = TypeVar("Bundle", bound="Tensors")
Listed = TypeVar("Listed", bound="Items")


def counted(n: int, noun: str) -> str:
    """A number and what it counts, such as "1 token" and "1,024 tokens".

    Parameters
    ----------
    n : int
        The number.
    noun : str
        In the singular.

    Returns
    -------
    str
        With commas between thousands.
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _described(tensor: Tensor) -> str:
    few = tensor.dim() == 1 and len(tensor) <= 4 and not tensor.is_floating_point() and not tensor.is_meta
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}{f' = {tensor.tolist()}' if few else ''}"


@dataclass(frozen=True)
class Tensors:
    """A frozen bundle of tensors (and of bundles) that moves, clones and detaches as one."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # a dataclass would write one that prints all numbers
        cls.__repr__ = Tensors.__repr__

    def title(self) -> str:
        """What it is and how large."""
        return f"{type(self).__name__} of {counted(sum(x.nbytes for x in self.flat().values()), 'byte')}"

    def __repr__(self) -> str:
        """Names, dtypes and shapes; also the numbers where there are only a few whole ones, such as ``segment``."""
        named = self.flat()
        width = max(map(len, named), default=0)
        lines = [f"{name:<{width}}  {_described(tensor)}" for name, tensor in named.items()]
        return "\n  ".join([self.title(), *lines])

    def map(self: Bundle, function: Callable[[Tensor], Tensor]) -> Bundle:
        """Apply ``function`` to every tensor, also in nested bundles and tuples."""

        def apply(value: Any) -> Any:
            if isinstance(value, Tensor):
                return function(value)
            if isinstance(value, Tensors):
                return value.map(function)
            if isinstance(value, tuple):
                return tuple(apply(v) for v in value)
            return value

        return replace(self, **{f.name: apply(getattr(self, f.name)) for f in fields(self)})

    def to(self: Bundle, *args: Any, **kwargs: Any) -> Bundle:
        """Move to a device. Dtypes are kept.

        Parameters
        ----------
        *args, **kwargs
            As ``torch.Tensor.to`` takes them.

        Returns
        -------
        Tensors
            A bundle of the same kind.
        """
        return self.map(lambda x: x.to(*args, **kwargs))

    def clone(self: Bundle) -> Bundle:
        """Copy every tensor."""
        return self.map(Tensor.clone)

    def detach(self: Bundle) -> Bundle:
        """Cut every tensor from the autograd graph."""
        return self.map(Tensor.detach)

    def flat(self, prefix: str = "") -> dict[str, Tensor]:
        """All tensors by dotted name, for saving and comparing."""
        named: dict[str, Tensor] = {}

        def visit(name: str, value: Any) -> None:
            if isinstance(value, Tensor):
                named[name] = value
            elif isinstance(value, tuple):
                for i, v in enumerate(value):
                    visit(f"{name}.{i}", v)
            elif is_dataclass(value):
                for f in fields(value):
                    visit(f"{name}.{f.name}" if name else f.name, getattr(value, f.name))

        visit(prefix, self)
        return named

    def filled(self: Bundle, named: Mapping[str, Tensor], prefix: str = "") -> Bundle:
        """The same bundle with other tensors, such as those that ``flat`` named.

        Parameters
        ----------
        named : mapping of str to Tensor
            By dotted name.
        prefix : str
            The one that ``flat`` was given.

        Returns
        -------
        Tensors
            A bundle of the same kind. What is no tensor is kept.
        """

        def fill(name: str, value: Any) -> Any:
            if isinstance(value, Tensor):
                return named[name]
            if isinstance(value, tuple):
                return tuple(fill(f"{name}.{i}", v) for i, v in enumerate(value))
            if isinstance(value, Tensors):
                return value.filled(named, name)
            return value

        dotted = f"{prefix}." if prefix else ""
        return replace(self, **{f.name: fill(dotted + f.name, getattr(self, f.name)) for f in fields(self)})


@dataclass(frozen=True)
class Items(Tensors):
    """A bundle whose tensors, also those of nested bundles, all begin with the axes sequence and item."""

    def joined(self: Listed, *others: Listed) -> Listed:
        """This and others of its kind, along the axis of items."""

        def join(parts: list[Any]) -> Any:
            return torch.cat(parts, 1) if isinstance(parts[0], Tensor) else parts[0].joined(*parts[1:])

        bundles = (self, *others)
        return replace(self, **{f.name: join([getattr(bundle, f.name) for bundle in bundles]) for f in fields(self)})

    def at(self: Listed, index: Int[Tensor, "sequence chosen"]) -> Listed:
        """The items at an index into them, int [sequence, chosen]."""
        return self.map(lambda x: take(x, index))

    def slice(self: Listed, start: int, stop: int) -> Listed:
        """Some consecutive items.

        Parameters
        ----------
        start, stop : int
            The first, and the first that is left out.

        Returns
        -------
        Items [sequence, item]
            Views of the tensors.
        """
        return self.map(lambda x: x[:, start:stop])
