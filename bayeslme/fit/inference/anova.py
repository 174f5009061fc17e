"""Wald F tests of one fit: all its terms, chosen terms together, or contrasts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.errors import FitError, known_names
from bayeslme.fit.inference.contrasts import contrasts
from bayeslme.fit.inference.degrees import DfMethod, SmallSample, VcovType, small_sample
from bayeslme.fit.inference.hypotheses import (
    f_tail,
    quadratic,
    sequential_contrasts,
    sequential_scores,
)
from bayeslme.report.export import Exported
from bayeslme.report.html import frames_html
from bayeslme.report.tables import table_text

if TYPE_CHECKING:
    from bayeslme.fit.parameter_verbs import ParameterVerbs

FloatArray = npt.NDArray[np.float64]
AnovaType = Literal["sequential", "marginal"]


class Anova(Exported, pd.DataFrame):  # type: ignore[misc] # its texts are the printed ones
    """A table of tests; a data frame that prints as nlme's.

    ``attrs["heading"]`` holds the lines above the table, ``attrs["notes"]`` what stands below.
    """

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __deepcopy__(self, memo: dict[int, object] | None = None) -> Anova:
        made = Anova(pd.DataFrame(self).copy())
        made.attrs = deepcopy(self.attrs)
        return made

    def exported(self) -> dict[str, pd.DataFrame]:
        """The tests as printed, without the lines above and below."""
        return {"": pd.DataFrame(self)}

    def __repr__(self) -> str:
        heading, notes = str(self.attrs.get("heading", "")), self.attrs.get("notes", ())
        return table_text(pd.DataFrame(self), heading, notes)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        frames = {str(self.attrs.get("heading", "")): pd.DataFrame(self)}
        return frames_html(frames, self.attrs.get("notes", ()))


def anova_of(
    fit: ParameterVerbs,
    type: AnovaType = "sequential",
    terms: Any = None,
    L: Any = None,
    df: DfMethod | None = None,
    vcov: VcovType | None = None,
) -> Anova:
    """Test the terms of a fit, or chosen terms or contrasts of its coefficients.

    See `Fit.anova`.
    """
    if type not in ("sequential", "marginal"):
        raise FitError(
            f"type: {type if isinstance(type, str) else type.__class__.__name__} is none of "
            "'sequential', 'marginal'; fits are compared by bayeslme.anova(fit1, fit2)"
        )
    if terms is not None and L is not None:
        raise FitError("terms, L: give one of them; they are different tests")
    method = small_sample(fit, df, vcov)
    if L is not None:
        return _contrasts(fit, L, method)
    if terms is not None:
        return _terms(fit, terms, method)
    members, names = fit.design.term_columns, term_names(fit)
    if method is not None:
        own = fit.estimate.vcov
        rows = sequential_contrasts(own) if type == "sequential" else np.eye(len(own))
        return _tested(method, names, [rows[m] for m in members])
    if type == "sequential":
        scores = sequential_scores(fit.estimate.beta, fit.test_vcov)
        statistics = [float(np.sum(scores[m] ** 2)) for m in members]
    else:
        statistics = [_wald(fit, np.eye(len(fit.fixef))[m]) for m in members]
    return _table(fit, names, [len(m) for m in members], fit.degrees.terms, statistics)


def term_names(fit: ParameterVerbs) -> list[str]:
    """Labels of the terms, the intercept first where there is one."""
    labels = ["(Intercept)", *fit.design.term_labels]
    return [labels[int(k)] for k in np.unique(fit.design.assign)]


def _wald(fit: ParameterVerbs, rows: FloatArray) -> float:
    return quadratic(rows @ fit.estimate.beta, rows @ fit.test_vcov @ rows.T)


def _table(
    fit: ParameterVerbs,
    index: Sequence[str],
    num: Sequence[int],
    den: npt.ArrayLike,
    statistics: Sequence[float],
    heading: str = "",
) -> Anova:
    f = np.asarray(statistics) / np.asarray(num)
    columns = {"numDF": num, "denDF": den, "F-value": f, "p-value": f_tail(f, num, den)}
    table = Anova(columns, index=list(index))
    if fit.kind == "lme":
        table.attrs["heading"] = heading
        return table
    left = fit.nobs - len(fit.fixef)
    shorter = Anova(table.drop(columns="denDF"))
    shorter.attrs["heading"] = f"Denom. DF: {left} " + (f"\n {heading}" if heading else "")
    return shorter


def _tested(
    method: SmallSample,
    index: Sequence[str],
    contrasts: Sequence[FloatArray],
    heading: str = "",
) -> Anova:
    """Table of contrasts (r, p) with the denominators of a method."""
    num = [len(rows) for rows in contrasts]
    f, den = np.array([method.test(rows) for rows in contrasts]).reshape(-1, 2).T
    columns = {"numDF": num, "denDF": den, "F-value": f, "p-value": f_tail(f, num, den)}
    table = Anova(columns, index=list(index))
    table.attrs["heading"] = heading
    table.attrs["notes"] = method.notes
    return table


def _terms(fit: ParameterVerbs, terms: Any, method: SmallSample | None) -> Anova:
    names = term_names(fit)
    wanted = list(terms) if isinstance(terms, Iterable) and not isinstance(terms, str) else [terms]
    chosen = [_term_number(one, names) for one in wanted]
    if not chosen or len(set(chosen)) < len(chosen):
        raise FitError(f"terms: each once, and {known_names(names, 'at least one of')}")
    columns = np.concatenate([fit.design.term_columns[k] for k in chosen])
    rows = np.eye(len(fit.fixef))[columns]
    heading = f"F-test for: {', '.join(names[k] for k in chosen)} "
    if method is not None:
        return _tested(method, ["1"], [rows], heading)
    den = sorted({int(fit.degrees.terms[k]) for k in chosen})
    if len(den) != 1:
        which = ", ".join(names[k] for k in chosen)
        raise FitError(
            f"terms: {which} differ in denominator DF ({den}); test them apart, or with "
            "df='satterthwaite'"
        )
    return _table(fit, ["1"], [len(rows)], den, [_wald(fit, rows)], heading)


def _term_number(term: Any, names: Sequence[str]) -> int:
    if isinstance(term, str):
        own = sorted(term.split(":"))  # a:b is b:a
        for k, name in enumerate(names):
            if sorted(name.split(":")) == own:
                return k
    if isinstance(term, int | np.integer) and term is not True and 1 <= term <= len(names):
        return int(term) - 1
    numbers = f", or 1 to {len(names)}" if names else ""
    raise FitError(f"terms: {term!r} is no term; {known_names(names)}{numbers}")


def _contrasts(fit: ParameterVerbs, L: Any, method: SmallSample | None) -> Anova:
    found = contrasts(L, list(fit.fixef.index))
    heading = f"F-test for linear combination(s)\n{found}"
    if method is not None:
        return _tested(method, ["1"], [found.rows], heading)
    den = sorted({int(d) for d in fit.degrees.columns[found.used]})
    if len(den) != 1:
        names = ", ".join(str(n) for n in fit.fixef.index[found.used])
        raise FitError(
            f"L: {names} differ in denominator DF ({den}); "
            "a contrast takes coefficients of one level, or df='satterthwaite'"
        )
    return _table(fit, ["1"], [len(found.rows)], den, [_wald(fit, found.rows)], heading)
