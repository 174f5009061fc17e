"""Random effects with a known covariance among groups: kinship, pedigrees, phylogenies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from bayeslme.structures.random import PdSymm
from bayeslme.structures.relation import Related, RelationMatrix


@dataclass(frozen=True, init=False)
class PdKnown(PdSymm):
    """Effects of groups that are related: cov(b_g, b_h) = A_gh G, with A known.

    G is the covariance of the effects of a group with 1 on the diagonal of A: for an additive
    relationship matrix the genetic variance, for the correlation of a phylogeny's tips the
    phylogenetic one.

    Parameters
    ----------
    A : DataFrame, shape (m, m)
        Symmetric and positive semidefinite, labelled by the levels of the grouping factor in rows
        and columns, in any order. Levels without rows may be among them: they have predictions. An
        array is taken where the factor is a Categorical with all its levels in the data, or where
        its levels occur in their sorted order.
    form : str
        One-sided formula of the effects.
    value : array, shape (q, q), optional
        Starting value of G relative to sigma^2.

    Raises
    ------
    SpecError
        For what is no such matrix, and labels that stand twice.

    Notes
    -----
    The algebra is that of crossed effects (`bayeslme.engine.crossed`): effects are F u, with
    F F' = A among the groups with rows and independent u, so that a singular A (clones) is an
    ordinary one. Where one such effect is all there is, and the residuals have no parameters beside
    sigma, cross products are turned by their eigenvectors once, and a step of the search is linear
    in the number of groups (Lippert et al. 2011, Nature Methods 8, 833).

    References
    ----------
    Henderson (1976), Biometrics 32, 69; Lynch (1991), Evolution 45, 1065.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> names = data["Subject"].unique()
    >>> A = pd.DataFrame(np.eye(len(names)), index=names, columns=names)  # unrelated
    >>> fit = bayeslme.lme("distance ~ age", data, {"Subject": PdKnown(A)})
    >>> float(fit.varcorr()["Subject"].sd.iloc[0].round(4))
    2.1147
    """

    A: RelationMatrix  # type: ignore[misc]  # the constructor is written out
    form: Any = "~ 1"
    r_name: ClassVar[str] = "pdKnown"
    description: ClassVar[str | None] = "Known covariance among groups"
    relates_groups = True
    first_argument = "A"

    def __init__(self, A: Any, form: Any = "~ 1", value: Any = None) -> None:
        object.__setattr__(self, "A", RelationMatrix.of(A, "PdKnown"))
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "value", value)
        self.__post_init__()

    @property
    def matrix(self) -> RelationMatrix:
        return self.A

    def basis(self, z: np.ndarray) -> np.ndarray:
        return PdSymm.basis(self, z) * self.A.size

    def require_data(self, q: int, largest: int, n: int, group: str) -> None:
        super().require_data(q, n, n, group)  # relatives tell of slopes too

    def related(self, groups: Sequence[str], *, ordered: bool, factor: str) -> Related:
        return self.A.among(groups, ordered=ordered, who=f"PdKnown of '{factor}'")


def known_effects(matrix: Any, name: str, form: str) -> PdKnown:
    """`PdKnown` with a name under which calls write the matrix."""
    return PdKnown(replace(RelationMatrix.of(matrix, f"data2['{name}']"), name=name), form)
