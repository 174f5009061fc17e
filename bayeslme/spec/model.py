"""The model specification: everything an nlme call says, frozen, without data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bayeslme.docstrings import delegating
from bayeslme.spec.contrasts import DEFAULT
from bayeslme.spec.control import Control
from bayeslme.spec.expr import Expr
from bayeslme.spec.formula import Formula, parse_formula
from bayeslme.structures import CorStruct, PdBlocked, PdMat, VarFunc

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

type Function = Literal["lme", "gls", "lm", "lmList", "lmer"]
type Method = Literal["REML", "ML", "OLS"]
type NaAction = Literal["fail", "omit", "exclude"]


@dataclass(frozen=True, slots=True)
class RandomLevel:
    """The random effects of one level of grouping.

    Attributes
    ----------
    group : str or None
        The grouping column; None where the call does not say it, as for R's groupedData frames.
    structure : PdMat
        Their covariance; its `form` is the formula's text (None where only the groups are known).
    branch : int
        Levels of one branch nest, outermost first; branches cross.
    """

    group: str | None
    structure: PdMat
    branch: int = 0

    @property
    def formulas(self) -> tuple[Formula, ...]:
        """The formulas of the effects: one, or one for each block."""
        if isinstance(self.structure, PdBlocked):
            return tuple(parse_formula(block.form) for block in self.structure.blocks)
        return (parse_formula(self.structure.form),)

    @property
    def formula(self) -> Formula:
        """The formula of the effects, the first block's for a blocked structure."""
        return self.formulas[0]


@delegating
@dataclass(frozen=True, repr=False)
class LmeSpec:
    """A model as one writes it for nlme.

    Attributes
    ----------
    function : {"lme", "gls", "lm", "lmList", "lmer"}
    fixed : Formula
        Response and fixed effects; for lmList also the groups.
    random : tuple of RandomLevel
        Outermost first, branch by branch where they cross; empty for gls and lm.
    correlation : CorStruct or None
    weights : VarFunc or None
    subset : Expr or None
        A logical expression on columns.
    method : {"REML", "ML", "OLS"}
        "OLS" for lm and lmList.
    na_action : {"fail", "omit", "exclude"}
    control : Control
    contrasts : tuple of two str
        R's option pair for unordered and for ordered factors.
    factor_contrasts : mapping
        Factor -> contrast name, before the pair.
    priors : mapping, str or None
        Priors of the Bayesian forms, as the user gave them.
    data : str or None
        A label; the data frame itself comes with ``fit``.
    mask : array of bool or None
        A subset given as rows of the data frame; not compared and not written back.
    """

    function: Function
    fixed: Formula
    random: tuple[RandomLevel, ...] = ()
    correlation: CorStruct | None = None
    weights: VarFunc | None = None
    subset: Expr | None = None
    method: Method = "REML"
    na_action: NaAction = "fail"
    control: Control = field(default_factory=Control)
    contrasts: tuple[str, str] = DEFAULT
    factor_contrasts: Mapping[str, str] = field(default_factory=dict)
    priors: Mapping[str, Any] | str | None = None
    data: str | None = None
    mask: npt.NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)

    @property
    def crossed(self) -> bool:
        """Whether random effects come in several branches, which may cross."""
        return len({level.branch for level in self.random}) > 1

    @property
    def new_groups_are_zero(self) -> bool:
        """Whether the effects of a group without data count as 0, as lme4 can have it."""
        return self.function == "lmer"

    def __str__(self) -> str:
        """Return the Python call."""
        from bayeslme.spec.write import python_call

        return python_call(self)

    __repr__ = __str__

    def to_r(self) -> str:
        """Return the R call, which ``translate`` reads back (R's option contrasts apart)."""
        from bayeslme.spec.write import r_call

        return r_call(self)

    def update(self, **changes: Any) -> LmeSpec:
        """Change some arguments; see `bayeslme.spec.update.update`."""
        from bayeslme.spec.update import update

        return update(self, **changes)

    def fit(self, data: Any) -> Any:
        """Estimate the model on a data frame; see `bayeslme.spec.bind.fit`."""
        from bayeslme.spec.bind import fit

        return fit(self, data)

    def to_pymc(
        self, data: Any, form: str = "marginal", priors: Any = None, beta: str = "variable"
    ) -> Any:
        """Build a PyMC model; see `bayeslme.bayes.model.to_pymc`."""
        from bayeslme.spec.bind import to_pymc

        return to_pymc(self, data, form=form, priors=priors, beta=beta)

    def prior_predictive(
        self, data: Any, priors: Any = None, draws: int = 500, seed: int | None = None
    ) -> Any:
        """Draw from the priors; see `bayeslme.bayes.prior_predictive.prior_predictive`."""
        from bayeslme.spec.bind import prior_predictive

        return prior_predictive(self, data, priors=priors, draws=draws, seed=seed)

    def to_bambi(self, data: Any, priors: Any = None) -> Any:
        """Build a bambi model; see `bayeslme.bayes.bambi.to_bambi`."""
        from bayeslme.spec.bind import to_bambi

        return to_bambi(self, data, priors=priors)
