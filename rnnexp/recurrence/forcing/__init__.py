"""Teacher forcing: how data enter the states while a network is trained on a time series.

base.py          what every forcing is: which units, which data, `ForcedStates` for a rollout
sparse.py        every tau-th step
generalized.py   every step in part, by a factor alpha that may be annealed
adaptive.py      the same, alpha estimated from Jacobians as the training goes
jacobian_norms.py  the estimates
"""

from rnnexp.recurrence.forcing.adaptive import AdaptiveForcing
from rnnexp.recurrence.forcing.base import Forcing, NoForcing
from rnnexp.recurrence.forcing.generalized import GeneralizedForcing
from rnnexp.recurrence.forcing.sparse import SparseForcing

__all__ = ["AdaptiveForcing", "Forcing", "GeneralizedForcing", "NoForcing", "SparseForcing"]
