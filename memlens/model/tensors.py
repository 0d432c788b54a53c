"""Frozen bundles of tensors that move, clone, detach, flatten and fill as one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from torch import Tensor

#: A type variable and not Self: run-time checks decorate methods one by one.
Bundle = TypeVar("Bundle", bound="Tensors")


@dataclass(frozen=True)
class Tensors:
    """A frozen bundle of tensors (and of bundles) that moves, clones and detaches as one."""

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
        """Move to a device. Dtypes are kept."""
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
        """The same bundle with the tensors of ``flat(prefix)`` put back by name."""

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
