"""The variables of a Bayesian model.

``fixef``, ``sigma``, ``sd_<group>``, ``cor_<group>``, ``varfunc``, ``corstruct``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["fixef", "sigma", "sd", "cor", "varfunc", "corstruct"]


@dataclass(frozen=True, slots=True)
class Block:
    """One named variable of the model.

    Attributes
    ----------
    name : str
        ``"sd_Subject"``.
    kind : {"fixef", "sigma", "sd", "cor", "varfunc", "corstruct"}
        Which sort of parameter it is.
    coefs : tuple of str, length k
        Names of its coefficients, as nlme prints them; of a correlation matrix the names of its
        rows.
    lower, upper : tuple of float, length k
        The open interval each coefficient (each entry of a matrix) lives in.
    dim : str or None
        Name of its dimension; None for a single number.
    matrix : bool
        Whether the variable is a whole (k, k) correlation matrix.
    structure : str
        Of corstruct and varfunc: nlme's name of the structure.
    dimension : int
        Of corstruct: number of coordinates of a position.
    image_lower : float or None
        Of a correlation of which the data do not know the sign, and which is positive unless a
        prior of the user's speaks of negative numbers too: where those begin.
    """

    name: str
    kind: Kind
    coefs: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    dim: str | None = None
    matrix: bool = False
    structure: str = ""
    dimension: int = 0
    image_lower: float | None = None

    @property
    def autoregressive(self) -> bool:
        """Whether it is the one correlation of neighbours in a process of order 1."""
        return self.coefs == ("Phi",) and self.structure in ("corAR1", "corCAR1", "corARMA")
