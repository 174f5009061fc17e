"""Structures: variance functions, correlation structures, covariances of random effects.

Each is one small frozen class with nlme's arguments. It holds no data; bound to coordinates it
gives its parameters and one formula, written once against an array namespace and used with NumPy
(estimation) and PyTensor (models).
"""

from bayeslme.structures.base import Bound, Parameter, RowStructure
from bayeslme.structures.correlation import CorStruct, Pairs
from bayeslme.structures.lattice import Lattice, build_lattice
from bayeslme.structures.pdblocked import PdBlocked
from bayeslme.structures.pdcompsymm import PdCompSymm
from bayeslme.structures.pddiag import PdDiag, PdIdent
from bayeslme.structures.pdmat import PdMat
from bayeslme.structures.pdsymm import PdLogChol, PdNatural, PdSymm
from bayeslme.structures.serial import CorAR1, CorARMA, CorCAR1, CorCompSymm
from bayeslme.structures.spatial import CorExp, CorGaus, CorLin, CorRatio, CorSpher
from bayeslme.structures.symmetric import CorNatural, CorSymm
from bayeslme.structures.variance import VarComb, VarFixed, VarFunc, VarIdent
from bayeslme.structures.variance_covariate import VarConstPower, VarConstProp, VarExp, VarPower

__all__ = [
    "Bound",
    "CorAR1",
    "CorARMA",
    "CorCAR1",
    "CorCompSymm",
    "CorExp",
    "CorGaus",
    "CorLin",
    "CorNatural",
    "CorRatio",
    "CorSpher",
    "CorStruct",
    "CorSymm",
    "Lattice",
    "Pairs",
    "Parameter",
    "PdBlocked",
    "PdCompSymm",
    "PdDiag",
    "PdIdent",
    "PdLogChol",
    "PdMat",
    "PdNatural",
    "PdSymm",
    "RowStructure",
    "VarComb",
    "VarConstPower",
    "VarConstProp",
    "VarExp",
    "VarFixed",
    "VarFunc",
    "VarIdent",
    "VarPower",
    "build_lattice",
]
