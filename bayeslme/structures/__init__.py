"""Structures: variance functions, correlation structures, covariances of random effects.

Each structure is one frozen class with nlme's arguments and without data. Given the coordinates of
the rows it has named parameters and one formula, written once against an array namespace and used
with NumPy (estimation) and PyTensor (models).

Read `base` first, then `variance`, `random`, `blocked` and `known`, and the folder `correlation`.
Everything that is particular to one structure is in its class. May import only `errors` and
`arrays`.
"""

from bayeslme.structures.base import Bound, Parameter, RowStructure
from bayeslme.structures.blocked import PdBlocked
from bayeslme.structures.correlation.antedependence import CorAnte
from bayeslme.structures.correlation.base import CorStruct, Pairs
from bayeslme.structures.correlation.positions import CorrelationGroups, correlation_groups
from bayeslme.structures.correlation.separable import CorAR1AR1
from bayeslme.structures.correlation.serial import CorAR1, CorARMA, CorCAR1, CorCompSymm
from bayeslme.structures.correlation.spatial import (
    CorExp,
    CorGaus,
    CorLin,
    CorMatern,
    CorRatio,
    CorSpher,
)
from bayeslme.structures.correlation.toeplitz import CorToep
from bayeslme.structures.correlation.unstructured import CorNatural, CorSymm
from bayeslme.structures.known import PdKnown, known_effects
from bayeslme.structures.random import (
    PdCompSymm,
    PdDiag,
    PdIdent,
    PdLogChol,
    PdMat,
    PdNatural,
    PdSymm,
)
from bayeslme.structures.relation import Related, RelationMatrix
from bayeslme.structures.variance import VarComb, VarFixed, VarFunc, VarIdent
from bayeslme.structures.variance_covariate import VarConstPower, VarConstProp, VarExp, VarPower

__all__ = [
    "Bound",
    "CorAR1",
    "CorAR1AR1",
    "CorARMA",
    "CorAnte",
    "CorCAR1",
    "CorCompSymm",
    "CorExp",
    "CorGaus",
    "CorLin",
    "CorMatern",
    "CorNatural",
    "CorRatio",
    "CorSpher",
    "CorStruct",
    "CorSymm",
    "CorToep",
    "CorrelationGroups",
    "Pairs",
    "Parameter",
    "PdBlocked",
    "PdCompSymm",
    "PdDiag",
    "PdIdent",
    "PdKnown",
    "PdLogChol",
    "PdMat",
    "PdNatural",
    "PdSymm",
    "Related",
    "RelationMatrix",
    "RowStructure",
    "VarComb",
    "VarConstPower",
    "VarConstProp",
    "VarExp",
    "VarFixed",
    "VarFunc",
    "VarIdent",
    "VarPower",
    "correlation_groups",
    "known_effects",
]
