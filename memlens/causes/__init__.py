"""What causes an answer: analyses that run the model again, ``name(recording, model, *, params) -> xarray.Dataset``.

They are listed in ``memlens.catalogue.CATALOGUE`` with all others.
"""

from memlens.causes.agreement import agreement
from memlens.causes.attribution import attribution
from memlens.causes.effects import effects
from memlens.causes.mediation import mediation

__all__ = ["agreement", "attribution", "effects", "mediation"]
