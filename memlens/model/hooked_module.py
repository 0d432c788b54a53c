"""A HookedRootModule in time: names that match nothing are errors, caches have an axis of segments, compiled steps refuse hooks."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from transformer_lens import HookedRootModule
from transformer_lens.utilities.slice import Slice

from memlens.errors import ModelError, PointError, closest
from memlens.model.cache import GRADIENT, Axes, Moment, TemporalCache
from memlens.model.hooks import At, Clock, Hook, HookPoint, Placed


class HookedModule(HookedRootModule):
    """A HookedRootModule whose points know the time.

    All of TransformerLens's contract holds. Added: ``hook.segment``; ``at`` in place of a name; an error where a name, or a function on
    names, matches no point; and an error where a compiled step would not call the hooks that are attached.
    """

    def setup(self) -> None:
        """Name all points and give them one clock."""
        super().setup()
        self.clock = Clock()
        for point in self.hook_dict.values():
            if isinstance(point, HookPoint):
                point.clock = self.clock

    def axes(self) -> Axes:
        """Axes of every point after ``sequence``."""
        raise NotImplementedError

    def enter(self, segment: Tensor) -> None:
        """Say that a step begins, and which segment of the stream each sequence reads in it, int64 (sequence,).

        Raises
        ------
        ModelError
            When the step is being compiled, traced, exported or captured while hooks are attached: it would forget them.
        """
        if (
            torch.compiler.is_compiling()
            or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
            or (segment.is_cuda and torch.cuda.is_current_stream_capturing())
        ):
            self._no_hooks()
        else:
            self.clock.moment = Moment(segment, self.clock.alone)

    def _no_hooks(self) -> None:
        # a compiler guards what is read here: a hook that is attached later brings it back to this place
        for point in self.hook_dict.values():
            if point.fwd_hooks or point.bwd_hooks:
                _refuse_hooks(self)

    # names

    def _points(self, name: "str | Callable[[str], bool]") -> list[str]:
        """The points that a name, or a function on names, chooses.

        Raises
        ------
        PointError
            When it chooses none.
        """
        if isinstance(name, str):
            if name in self.hook_dict:
                return [name]
            raise PointError(f"no hook point is called '{name}'; {closest(name, self.hook_dict)}")
        found = [point for point in self.hook_dict if name(point)]
        if not found:
            raise PointError(
                f"the function on names chose none of {len(self.hook_dict)} hook points; one of them is "
                f"'{next(iter(self.hook_dict))}'; names are in model.hook_dict"
            )
        return found

    def _placed(self, name: Any, hook: Hook) -> Hook:
        if not isinstance(name, At) or name not in self.hook_dict:
            return hook
        return Placed(hook, name, ("sequence", *self.axes()[name]))

    def add_hook(
        self,
        name: "str | Callable[[str], bool]",
        hook: Hook,
        dir: Literal["fwd", "bwd"] = "fwd",
        is_permanent: bool = False,
        level: int | None = None,
        prepend: bool = False,
    ) -> None:
        """Add a hook.

        Parameters
        ----------
        name : str, At or callable
            Of a point; a place, as ``at`` makes it; or a function on names, which chooses all points for which it is true.
        hook : callable
            ``hook(tensor, hook)``; what it returns takes the place of the tensor, None leaves it.
        dir : "fwd" or "bwd"
            Whether it is given what passes, or its gradient.
        is_permanent, level, prepend
            As in TransformerLens.
        """
        placed = self._placed(name, hook)
        for point in self._points(name):
            super().add_hook(str(point), placed, dir, is_permanent, level, prepend)

    def _enable_hook(self, name: Any, hook: Hook, dir: Literal["fwd", "bwd"]) -> None:
        """What ``hooks``, ``run_with_hooks`` and ``run_with_cache`` add theirs by."""
        placed = self._placed(name, hook)
        for point in self._points(name):
            self._enable_hook_with_name(str(point), placed, dir)

    # caches

    def run_with_cache(self, *args: Any, reset_hooks_end: bool = True, **kwargs: Any) -> tuple[Any, Any]:
        """As TransformerLens's.

        Parameters
        ----------
        *args, **kwargs
            As ``forward`` takes them, and TransformerLens's own. ``names_filter`` also takes ``at(name, segment=...)``.
        reset_hooks_end : bool
            Whether hooks are taken off afterwards.

        Returns
        -------
        out : Any
            What ``forward`` returns.
        cache : dict or TemporalCache
            Of one segment a dict of name to tensor (of the decoder's points that of teacher forcing); of several, or of a stream, a
            ``TemporalCache``.
        """
        out, cache = super().run_with_cache(*args, reset_hooks_end=reset_hooks_end, **kwargs)
        # hooks that stay go on filling the cache
        return out, dict(cache) if self.clock.moment.alone and reset_hooks_end else cache

    def add_caching_hooks(
        self,
        names_filter: Any = None,
        incl_bwd: bool = False,
        device: Any = None,
        remove_batch_dim: bool = False,
        cache: Any = None,
    ) -> Any:
        """Attach what ``get_caching_hooks`` makes.

        Parameters
        ----------
        names_filter : str, callable, At or list of these, optional
            Points; all of them unless given.
        incl_bwd : bool
            Whether gradients are kept as well.
        device : torch.device or str, optional
            Where copies are kept; where the tensors are unless given.
        remove_batch_dim : bool
            Whether a ``sequence`` axis of size 1 is taken out.
        cache : dict or TemporalCache, optional
            To be filled; a new TemporalCache unless given. A dict is filled as TransformerLens fills it: with each point's last firing.

        Returns
        -------
        dict or TemporalCache
            What the hooks fill.
        """
        cache, forwards, backwards = self.get_caching_hooks(names_filter, incl_bwd, device, remove_batch_dim, cache)
        for name, hook in forwards:
            self.add_hook(name, hook)
        for name, hook in backwards:
            self.add_hook(name, hook, "bwd")
        return cache

    def get_caching_hooks(
        self,
        names_filter: Any = None,
        incl_bwd: bool = False,
        device: Any = None,
        remove_batch_dim: bool = False,
        cache: Any = None,
        pos_slice: Any = None,
    ) -> tuple[Any, list[Any], list[Any]]:
        """Hooks that fill a cache.

        Parameters
        ----------
        names_filter : str, callable, At or list of these, optional
            Points; all of them unless given.
        incl_bwd : bool
            Whether gradients are kept as well.
        device : torch.device or str, optional
            Where copies are kept; where the tensors are unless given.
        remove_batch_dim : bool
            Whether a ``sequence`` axis of size 1 is taken out.
        cache : dict or TemporalCache, optional
            To be filled; a new TemporalCache unless given. A dict is filled as TransformerLens fills it: with each point's last firing.
        pos_slice : int, list, slice or Slice, optional
            What is kept of the axis ``token``, of the points that have it.

        Returns
        -------
        cache : dict or TemporalCache
            What the hooks fill.
        forwards, backwards : list of (str, callable)
            As ``hooks`` takes them.
        """
        axes, cut = self.axes(), Slice.unwrap(pos_slice)
        cache = TemporalCache(axes) if cache is None else cache

        def save(tensor: Tensor, hook: HookPoint, gradient: bool = False) -> None:
            kept = tensor.detach().clone() if device is None else tensor.detach().to(device, copy=True)
            name = str(hook.name)
            if "token" in axes[name]:
                kept = cut.apply(kept, dim=1 + axes[name].index("token"))
            if remove_batch_dim and kept.shape[0] == 1:
                kept = kept[0]
            if not isinstance(cache, TemporalCache):
                cache[name + GRADIENT if gradient else name] = kept
            elif gradient:
                cache.keep_gradient(name, kept, hook.now.moment, hook.firing)
            else:
                cache.keep(name, kept, hook.now.moment, hook.firing)

        names = self._chosen(names_filter)
        self.is_caching = True
        forwards = [(name, save) for name in names]
        backwards = [(name, partial(save, gradient=True)) for name in names] if incl_bwd else []
        return cache, forwards, backwards

    def _chosen(self, names_filter: Any) -> list[str]:
        if names_filter is None:
            return list(self.hook_dict)
        given = names_filter if isinstance(names_filter, list | tuple | set | frozenset) else [names_filter]
        wanted = {str(point): point for name in given for point in self._points(name)}
        for point in wanted.values():
            if isinstance(point, At) and point.places:
                raise PointError(
                    f"names_filter chooses {', '.join(point.places)} of '{point}', but caches keep whole tensors: index the cache, "
                    f"as in cache['{point}', t, slot]"
                )
        return [wanted[name] for name in self.hook_dict if name in wanted]


@torch.compiler.disable(reason="hooks are attached, and a compiled step would not call them")
def _refuse_hooks(model: HookedModule) -> None:
    """Run by the step itself, never compiled into it."""
    names = list(model.list_hooks())
    raise ModelError(
        f"hooks are attached at {', '.join(names[:3])}{' and others' if len(names) > 3 else ''}, but this step is compiled, traced or "
        "captured and would not call them: give hooks to the model that was not compiled, or take them off by model.reset_hooks()"
    )
