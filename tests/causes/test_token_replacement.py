import numpy as np

from memlens.causes.rerun import Rerun
from memlens.causes.token_replacement import TokenReplacement


def test_other_text_is_as_long_and_states_nothing(stored):
    recording, model = stored
    rerun = Rerun(recording, model)
    replacement, random = TokenReplacement(rerun), np.random.default_rng(0)
    fact = np.flatnonzero(rerun.stream.fact == 0)
    whole = rerun.segment(0, 2)
    changed = replacement.replace(whole, 1, 0, fact, random)
    assert (changed.token[0] == whole.token[0]).all()
    differs = np.flatnonzero((changed.token[1] != whole.token[1]).numpy())
    assert set(differs) == set(fact)
    other = replacement.plain_stretch(0, fact.size, random)
    assert other is not None and not set(other) & set(fact) and other.size == fact.size
    assert replacement.plain_stretch(0, 200, random) is None
