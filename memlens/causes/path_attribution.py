"""Attribution along a differentiable path: of tokens by captum, of slots and entries by conductance."""

import numpy as np
import torch
from torch import Tensor

from memlens.causes.differentiable_path import DifferentiablePath, ReadAncestry
from memlens.causes.rerun import Rerun, StreamQuestion

METHODS = ("integrated_gradients", "ablation", "occlusion")
#: Rows of a batch.
BATCH = 32
#: Part of the line over which the move of a layer is measured, to either side.
MOVE = 1e-3


def followed_paths(
    rerun: Rerun, questions: int, sources: int, reach: int, seed: int, within: int | None = None
) -> list[tuple[StreamQuestion, DifferentiablePath]]:
    """Choose questions whose reads can be followed, and make their paths.

    Parameters
    ----------
    rerun : Rerun
        The recorded run.
    questions : int
        How many.
    sources : int
        Most slots that are followed back for one question.
    reach : int
        Tokens before a slot's window that count as its source as well.
    seed : int
        Of the choice.
    within : int, optional
        Only questions whose slots were written at most so many segments before.

    Returns
    -------
    list of (StreamQuestion, DifferentiablePath)
        In the order of the stream.
    """
    ancestry = ReadAncestry(rerun)
    reading = {asked.row: ancestry.reading(asked, sources) for asked in rerun.questions}
    among = []
    for asked in rerun.questions:
        found = reading[asked.row]
        if found is not None:
            needed = ancestry.segments(found)
            if within is None or asked.segment - min(needed) <= within:
                among.append((asked, [*needed, asked.segment]))
    chosen = rerun.choose(among, questions, seed)
    wanted = {asked.row: needed for asked, needed in among}
    states = dict(rerun.states([segment for asked in chosen for segment in wanted[asked.row]]))
    out = []
    for asked in chosen:
        found = reading[asked.row]
        assert found is not None
        out.append((asked, DifferentiablePath(rerun, ancestry, asked, found, states, reach)))
    return out


def token_attribution(path: DifferentiablePath, method: str, steps: int, width: int) -> np.ndarray:
    """Attribution of each token of a path.

    Parameters
    ----------
    path : DifferentiablePath
        From the tokens to an answer.
    method : str
        One of ``METHODS``.
    steps : int
        Points of the integral of integrated gradients (Gauss-Legendre).
    width : int
        Tokens in a window of ablation and occlusion.

    Returns
    -------
    float [token]
        Nats.
    """
    from captum.attr import FeatureAblation, IntegratedGradients, Occlusion

    x, nothing = path.given(), path.nothing()
    if method == "integrated_gradients":
        found = IntegratedGradients(path).attribute(x, nothing, n_steps=steps, internal_batch_size=BATCH)
        return _plain(found.sum(-1))
    with torch.no_grad():
        if method == "ablation":
            window = token_windows(path, width)
            mask = torch.from_numpy(window)[None, :, None].expand_as(x)
            kinds = FeatureAblation(path).attribute(x, nothing, feature_mask=mask, perturbations_per_eval=BATCH)
            # a window's change is given to each feature of each of its tokens: shared out, it is given once
            return _plain(kinds[..., 0]) / np.bincount(window)[window]
        shape = (min(width, x.shape[1]), x.shape[2])
        kinds = Occlusion(path).attribute(
            x, shape, strides=(max(width // 2, 1), x.shape[2]), baselines=nothing, perturbations_per_eval=BATCH
        )
        return _plain(kinds[..., 0]) / width


def token_windows(path: DifferentiablePath, width: int) -> np.ndarray:
    """The window of ``width`` tokens that each token is in; no window has tokens of two slices.

    Parameters
    ----------
    path : DifferentiablePath
        Its slices are cut into windows from their end, where the slot is.
    width : int
        Tokens in a window; the first one of a slice may have fewer.

    Returns
    -------
    int [token]
        From 0 on.
    """
    number, out = 0, np.empty(len(path.position), int)
    for source in range(len(path.slices)):
        own = np.flatnonzero(path.source == source)
        # counted from the end, where the slot is
        out[own] = number + np.arange(own.size)[::-1] // width
        number += -(-own.size // width)
    return out


def conductance(path: DifferentiablePath, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Conductance of slots and of entries: the sum over nodes of (gradient at the layer) x (how the layer moves along the line).

    captum's LayerConductance takes the layer's moves from one node to the next. Where an answer hangs on a short part of the line, as here,
    that misses up to half of the difference. The moves at the nodes themselves miss no more than integrated gradients do.

    Parameters
    ----------
    path : DifferentiablePath
        From the tokens to an answer.
    steps : int
        Nodes on the line from the baseline to the tokens (Gauss-Legendre).

    Returns
    -------
    slots : float [source]
    entries : float [read]
        Nats.
    """
    x, nothing = path.given(), path.nothing()
    node, weight = (torch.from_numpy(y).to(x)[:, None, None] / 2 for y in np.polynomial.legendre.leggauss(steps))
    parts = []
    for at, share in zip(node.split(BATCH), weight.split(BATCH), strict=True):
        rows = [nothing + (at + 0.5 + move) * (x - nothing) for move in (0.0, -MOVE, MOVE)]
        out, here = _layers(path, rows[0])
        slope = torch.autograd.grad(out.sum(), here)
        with torch.no_grad():
            before, after = (_layers(path, moved)[1] for moved in rows[1:])
        moves = [(b - a) / (2 * MOVE) for a, b in zip(before, after, strict=True)]
        parts.append([(share * g * v).sum((0, 2)).double().cpu().numpy() for g, v in zip(slope, moves, strict=True)])
    slots, entries = (np.sum(layer, 0) for layer in zip(*parts, strict=True))
    return slots, entries


def _layers(path: DifferentiablePath, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The output of a path, and what passes its slots and its entries."""
    passed: list[Tensor] = []

    def note(_: object, __: object, y: Tensor) -> None:
        passed.append(y)

    hooks = [layer.register_forward_hook(note) for layer in (path.slots, path.entries)]
    try:
        return path(x), passed
    finally:
        for hook in hooks:
            hook.remove()


def _plain(x: Tensor) -> np.ndarray:
    return x[0].detach().double().cpu().numpy()
