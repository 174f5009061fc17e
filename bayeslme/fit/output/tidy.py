"""A fit as data frames for further work: one row a term, a model, or an observation.

The columns bear the names of R's broom and broom.mixed, so that code and habits carry over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bayeslme.data.variables.columns import as_frame
from bayeslme.errors import FitError
from bayeslme.fit.arguments import check_probability
from bayeslme.fit.inference.hypotheses import f_tail, t_quantile
from bayeslme.fit.inference.intervals import Intervals, intervals
from bayeslme.fit.output.summary import correlation_part, variance_parts
from bayeslme.fit.values.padding import shown_rows
from bayeslme.fit.values.residuals import residuals

if TYPE_CHECKING:
    from bayeslme.data.types import Level
    from bayeslme.fit.frame_verbs import FrameVerbs
    from bayeslme.fit.inference.degrees import DfMethod, VcovType
    from bayeslme.fit.lmlist import LmList
    from bayeslme.fit.values.varcorr import VarCorr


Limits = tuple[float, float]
Effects = Literal["fixed", "random", "variance", "all"]
LIMITS = ["conf.low", "conf.high"]
#: Columns in their order; those that a table does not need are left out.
COLUMNS = [
    *["effect", "group", "level", "term", "estimate", "std.error", "df", "statistic", "p.value"],
    *[*LIMITS, "rhat", "ess"],
]


def chosen_effects(effects: Effects | Sequence[Effects]) -> tuple[str, ...]:
    """Kinds of effects asked for, in the order fixed, random, variance.

    Raises
    ------
    FitError
        For an unknown kind, and for none.
    """
    known = get_args(Effects)
    asked = (effects,) if isinstance(effects, str) else tuple(effects)
    if not asked or any(one not in known for one in asked):
        raise FitError(f"effects: {effects!r:.60} is not among {', '.join(map(repr, known))}")
    kinds = ("fixed", "random", "variance")
    return kinds if "all" in asked else tuple(kind for kind in kinds if kind in asked)


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables below each other, columns in the usual order; a cell that no table has is NaN."""
    rows = [record for table in tables for record in table.to_dict("records")]
    present = [name for name in COLUMNS if any(name in table.columns for table in tables)]
    frame = pd.DataFrame(rows, columns=present)
    numbers = frame.columns.difference(["effect", "group", "level", "term"])
    return frame.astype(dict.fromkeys(numbers, float))


def tidy(
    fit: FrameVerbs,
    effects: Effects | Sequence[Effects],
    conf_int: bool,
    conf_level: float,
    df: DfMethod | None,
    vcov: VcovType | None,
) -> pd.DataFrame:
    """One row for each term; see `Fit.tidy`."""
    check_probability(conf_level)
    chosen = chosen_effects(effects)
    tables = []
    if "fixed" in chosen:
        tables.append(_fixed(fit, conf_int, conf_level, df, vcov))
    elif df is not None or vcov is not None:
        raise FitError("df, vcov: they concern fixed effects, which are not asked for")
    if "random" in chosen and fit.design.levels:
        tables += list(_random(fit, conf_int, conf_level))
    if "variance" in chosen:
        found = intervals(fit, conf_level, "var-cov") if conf_int else None
        tables.append(variance_rows(fit, fit.varcorr(), found))
    return joined(tables)


def _fixed(
    fit: FrameVerbs, conf_int: bool, level: float, df: DfMethod | None, vcov: VcovType | None
) -> pd.DataFrame:
    table = fit.summary(df, vcov).fixed
    counted = table.get("DF", fit.degrees.columns)
    columns = {
        "effect": "fixed",
        "term": table.index.astype(str),
        "estimate": table["Value"],
        "std.error": table["Std.Error"],
        "df": counted,
        "statistic": table["t-value"],
        "p.value": table["p-value"],
    }
    out = pd.DataFrame(columns, index=table.index)
    if not conf_int:
        return out
    if vcov in (None, "model"):
        found = intervals(fit, level, "fixed", df=df)["fixed"]
        return out.assign(**{"conf.low": found["lower"], "conf.high": found["upper"]})
    width = t_quantile(0.5 + level / 2, np.asarray(counted, float)) * table["Std.Error"]
    return out.assign(**{"conf.low": table["Value"] - width, "conf.high": table["Value"] + width})


def _random(fit: Any, conf_int: bool, level: float) -> Iterator[pd.DataFrame]:
    """Random effects with their conditional standard deviations, level by level."""
    found = fit.ranef(se="conditional")
    single = fit.design.levels[fit.design.shown[0]].group
    for group, table in ({single: found} if isinstance(found, pd.DataFrame) else found).items():
        values, errors = (cast("pd.DataFrame", table[part]) for part in ("est.", "se"))
        yield random_rows(str(group), values, errors, level if conf_int else None)


def random_rows(
    group: str, values: pd.DataFrame, errors: pd.DataFrame, level: float | None
) -> pd.DataFrame:
    """Rows of the effects of one level, term by term; normal limits where `level` is given."""
    out = pd.DataFrame(
        {
            "effect": "ran_vals",
            "group": group,
            "level": np.tile(np.asarray(values.index.astype(str), object), values.shape[1]),
            "term": np.repeat(np.asarray(values.columns.astype(str), object), len(values)),
            "estimate": values.to_numpy().T.ravel(),
            "std.error": errors.to_numpy().T.ravel(),
        }
    )
    if level is None:
        return out
    width = float(ndtri(0.5 + level / 2)) * out["std.error"]
    return out.assign(**{"conf.low": out["estimate"] - width, "conf.high": out["estimate"] + width})


def variance_rows(fit: Any, components: VarCorr, limits: Intervals | None) -> pd.DataFrame:
    """Standard deviations and correlations, then the parameters of the rows' structures.

    Parameters
    ----------
    fit : Fit
        Whose design and structures name the rows.
    components : VarCorr
        Of the fit or of its posterior.
    limits : Intervals, optional
    """
    rows = [
        row
        for k in fit.design.shown
        for row in _level_rows(fit.design.levels[k], components, limits)
    ]
    found = _limits(limits, "sigma", "sigma")
    rows.append(_row("ran_pars", "Residual", "sd__Observation", components.sigma, found))
    return pd.DataFrame([*rows, *_structure_rows(fit, limits)])


def _level_rows(
    level: Level, components: VarCorr, limits: Intervals | None
) -> Iterator[dict[str, Any]]:
    """Each standard deviation of a level, with the correlations to the effects after it."""
    part, group = components[level.group], level.group
    names = [str(name) for name in part.sd.index]
    none, sd, corr = level.structure.independent(len(names)), part.sd.tolist(), part.corr.to_numpy()
    for j, one in enumerate(names):
        found = _limits(limits, group, f"sd({one})")
        yield _row("ran_pars", group, f"sd__{one}", sd[j], found)
        for i in range(j + 1, len(names)):
            if not none[i, j]:
                found = _limits(limits, group, f"cor({one},{names[i]})")
                yield _row("ran_pars", group, f"cor__{one}.{names[i]}", corr[i, j], found)


def _limits(limits: Intervals | None, part: str, name: str) -> Limits | None:
    """Limits that intervals have for a parameter, NaN where they have none."""
    if limits is None:
        return None
    table = limits.get(part)
    if table is None or name not in table.index:
        return (np.nan, np.nan)
    return float(table["lower"][name]), float(table["upper"][name])


def _row(effect: str, group: str, term: str, value: float, limits: Limits | None) -> dict[str, Any]:
    row: dict[str, Any] = {"effect": effect, "group": group, "term": term, "estimate": float(value)}
    return row if limits is None else {**row, **dict(zip(LIMITS, limits, strict=True))}


def _structure_rows(fit: Any, limits: Intervals | None) -> Iterator[dict[str, Any]]:
    """Parameters of the variance function and of the residual correlation, held ones included."""
    weights, parts = fit.spec.weights, variance_parts(fit)
    functions = weights.components if weights is not None and weights.composed else (weights,)
    for k, (function, part) in enumerate(zip(functions, parts, strict=False)):
        prefix = f"{chr(65 + k)}." if len(parts) > 1 else ""
        group = f"{function.r_name}({part.formula.removeprefix('~')})"
        for name, value in part.coef.items():
            found = _limits(limits, "varfunc", f"{prefix}{name}")
            yield _row("var_model", group, str(name), value, found)
    correlation = correlation_part(fit)
    if correlation is not None:
        group = f"{fit.spec.correlation.r_name}({correlation.formula.removeprefix('~')})"
        for name, value in correlation.coef.items():
            found = _limits(limits, "corstruct", str(name))
            yield _row("cor_model", group, str(name), value, found)


def glance(fit: FrameVerbs) -> pd.DataFrame:
    """One row for the model; see `Fit.glance`."""
    p = len(fit.fixef)
    row: dict[str, Any] = {"nobs": fit.nobs, "sigma": fit.sigma, "logLik": fit.loglik}
    row |= {"AIC": fit.aic, "BIC": fit.bic}
    if fit.kind == "lme" and fit.method == "ML":
        row["deviance"] = -2.0 * fit.loglik
    elif fit.as_lme4 and fit.method == "REML":
        row["REMLcrit"] = -2.0 * fit.loglik
    if fit.kind == "gls":
        row["df"] = p
    if fit.kind == "lm":
        row |= _least_squares(fit)
    row["df.residual"] = fit.nobs - (fit.df if fit.kind == "lme" else p)
    return pd.DataFrame([{**row, "npar": fit.df, "method": fit.method}])


def _least_squares(fit: FrameVerbs) -> dict[str, float]:
    """Shares of explained squares and their F test, each row by its precision."""
    y = fit.design.y
    scaled = residuals(fit, type="pearson").to_numpy() * fit.sigma
    deviance = float(scaled @ scaled)
    spread = residuals(fit, type="response").to_numpy()
    weight = np.divide(scaled**2, spread**2, out=np.ones(len(y)), where=spread != 0.0)
    df, rest = len(fit.fixef) - int(fit.design.has_intercept), fit.nobs - len(fit.fixef)
    centre = np.average(y, weights=weight) if fit.design.has_intercept else 0.0
    total = float(weight @ (y - centre) ** 2)
    share = 1.0 - deviance / total
    out = {
        "r.squared": share,
        "adj.r.squared": 1.0 - deviance / rest * (rest + df) / total,
        "df": float(df),
        "deviance": deviance,
    }
    if df:
        statistic = (total - deviance) / df / (deviance / rest)
        out |= {"statistic": statistic, "p.value": float(f_tail(statistic, df, rest))}
    return out


def augment(fit: FrameVerbs, newdata: pd.DataFrame | None) -> pd.DataFrame:
    """The data beside fitted values and residuals; see `Fit.augment`."""
    if newdata is not None:
        made = fit.predict(newdata)
        return as_frame(newdata, "newdata").assign(**{".fitted": np.asarray(made, float)})
    columns = {".fitted": fit.fitted(), ".resid": fit.residuals()}
    if fit.design.levels:
        columns[".fixed"] = fit.fitted(level=0)
    used = fit.data.iloc[shown_rows(fit.design)]
    return used.assign(**{name: np.asarray(values) for name, values in columns.items()})


def tidy_list(fits: LmList, conf_int: bool, conf_level: float) -> pd.DataFrame:
    """One row for each group and coefficient; see `LmList.tidy`."""
    check_probability(conf_level)
    summary, limits = fits.summary(), fits.intervals(conf_level)
    tables = []
    for term, table in summary.items():
        columns = {
            "effect": "fixed",
            "level": table.index.astype(str),
            "term": str(term),
            "estimate": table["Value"],
            "std.error": table["Std.Error"],
            "df": float(fits.df),
            "statistic": table["t-value"],
            "p.value": table["p-value"],
        }
        if conf_int:
            columns |= {"conf.low": limits[term]["lower"], "conf.high": limits[term]["upper"]}
        tables.append(pd.DataFrame(columns, index=table.index))
    return joined(tables)
