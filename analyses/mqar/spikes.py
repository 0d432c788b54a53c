"""Spikes of a loss curve.

With m_t the median of the ``WINDOW`` losses before update t, and s_t = 1.4826 median |loss - m_t| their robust standard deviation, update t
is in a spike when t is past the warm-up and

    loss_t > m_t + max(5 s_t, FLOOR).

Only losses of the same stage of the curriculum count, ``LEAST`` of them or none: a new stage is harder, and no spike. ``FLOOR``, in nats,
keeps one wrong answer in a batch from being a spike once hardly any is wrong. Updates in a row are one spike.
"""

from collections.abc import Sequence

import numpy as np

WINDOW, LEAST = 50, 20
SPIKE_SDS = 5.0
FLOOR = 0.1
#: What the robust spread of normal numbers is multiplied with to be their standard deviation.
ROBUST = 1.4826


def spikes(loss: Sequence[float], stage: Sequence[int], warmup: int) -> list[int]:
    """Updates at which a spike begins; the module has the formula."""
    values, begun, found = np.asarray(loss, float), 0, []
    inside = False
    for t in range(len(values)):
        if t and stage[t] != stage[t - 1]:
            begun = t
        before = values[max(begun, t - WINDOW) : t]
        above = False
        if t >= warmup and len(before) >= LEAST:
            middle = np.median(before)
            spread = ROBUST * np.median(np.abs(before - middle))
            above = bool(values[t] > middle + max(SPIKE_SDS * spread, FLOOR))
        if above and not inside:
            found.append(t)
        inside = above
    return found
