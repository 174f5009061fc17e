"""A posterior as data frames for further work: one row a term, a model, or an observation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.bayes.posterior.estimates import IntervalKind, limits
from bayeslme.data.variables.columns import as_frame
from bayeslme.fit.arguments import check_probability
from bayeslme.fit.output.tidy import LIMITS, Effects, chosen_effects, joined, variance_rows
from bayeslme.report.export import Exported

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.posterior import Posterior


class FrameVerbs(Exported):
    """A posterior as data frames, with the column names of R's broom.mixed."""

    def exported(self: Posterior) -> dict[str, pd.DataFrame]:  # type: ignore[misc]
        """Tables that ``to_latex`` and ``to_markdown`` write: those of the summary.

        Returns
        -------
        dict of str to DataFrame
        """
        return self.summary().exported()

    def tidy(  # type: ignore[misc]
        self: Posterior,
        effects: Effects | Sequence[Effects] = "fixed",
        conf_int: bool = True,
        conf_level: float = 0.95,
        kind: IntervalKind = "eti",
    ) -> pd.DataFrame:
        """One row for each term: posterior mean, standard deviation and interval.

        Parameters
        ----------
        effects : {"fixed", "random", "variance", "all"} or list of them
            As for a fit.
        conf_int : bool
            Add conf.low and conf.high, the limits of credible intervals.
        conf_level : float
        kind : {"eti", "hdi"}
            Equal tails, or the shortest interval.

        Returns
        -------
        DataFrame
            Columns effect, group, level, term, estimate (the mean), std.error (the standard
            deviation), conf.low, conf.high, rhat, ess.

        Raises
        ------
        FitError
            For unknown effects and a level outside 0 to 1.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> fit.sample(seed=1).tidy()[["term", "estimate"]].round(1)
                  term  estimate
        0  (Intercept)      16.8
        1          age       0.7
        """
        return tidy(self, effects, conf_int, conf_level, kind)

    def glance(self: Posterior) -> pd.DataFrame:  # type: ignore[misc]
        """One row for the model: nobs, sigma, elpd, p_loo and looic (marginal), the route.

        Returns
        -------
        DataFrame, one row
        """
        found = self.loo("marginal")
        row = {
            "nobs": self.fit.nobs,
            "sigma": float(self.values["sigma"].mean()) if "sigma" in self.values else np.nan,
            "elpd": float(found.elpd),
            "elpd.se": float(found.se),
            "p_loo": float(found.p),
            "looic": -2.0 * float(found.elpd),
            "method": str(self.data["sample_stats"].attrs.get("route", "")),
        }
        return pd.DataFrame([row])

    def augment(self: Posterior, newdata: pd.DataFrame | None = None) -> pd.DataFrame:  # type: ignore[misc]
        """The data with columns .fitted, .se.fit, .resid and .fixed, averages over the draws.

        Parameters
        ----------
        newdata : DataFrame, optional
            Other rows; they get .fitted only.

        Returns
        -------
        DataFrame
        """
        if newdata is not None:
            made = np.asarray(self.predict(newdata), float)
            return as_frame(newdata, "newdata").assign(**{".fitted": made})
        draws = np.asarray(self.fitted(draws=True))
        columns = {
            ".fitted": draws.mean(axis=(0, 1)),
            ".se.fit": draws.std(axis=(0, 1), ddof=1),
            ".resid": np.asarray(self.residuals()),
        }
        if self.fit.design.levels:
            columns[".fixed"] = np.asarray(self.fitted(level=0))
        picked = self.fit.design.picked
        used = self.fit.data if picked is None else self.fit.data.iloc[picked]
        return used.assign(**columns)


def tidy(
    posterior: Posterior,
    effects: Effects | Sequence[Effects],
    conf_int: bool,
    conf_level: float,
    kind: IntervalKind,
) -> pd.DataFrame:
    """One row for each term; see `Posterior.tidy`."""
    check_probability(conf_level)
    chosen = chosen_effects(effects)
    tables = []
    if "fixed" in chosen:
        tables.append(_fixed(posterior, conf_int, conf_level, kind))
    if "random" in chosen and posterior.fit.design.levels:
        tables += list(_random(posterior, conf_int, conf_level, kind))
    if "variance" in chosen:
        found = posterior.intervals(conf_level, kind) if conf_int else None
        tables.append(variance_rows(posterior.fit, posterior.varcorr(), found))
    return joined(tables)


def _fixed(posterior: Posterior, conf_int: bool, level: float, kind: IntervalKind) -> pd.DataFrame:
    table = posterior.summary().fixed
    out = pd.DataFrame(
        {
            "effect": "fixed",
            "term": table.index.astype(str),
            "estimate": table["Value"],
            "std.error": table["SD"],
            "rhat": table["r_hat"],
            "ess": table["ess_bulk"],
        },
        index=table.index,
    )
    if not conf_int:
        return out
    low, high = limits(posterior.values["fixef"], level, kind)
    return out.assign(**dict(zip(LIMITS, (low, high), strict=True)))


def _random(
    posterior: Posterior, conf_int: bool, level: float, kind: IntervalKind
) -> Iterator[pd.DataFrame]:
    """Random effects of every level: means, standard deviations and intervals over the draws."""
    for one in posterior.parameters.levels:
        draws = posterior.effects[one.key]
        terms, labels = list(one.level.effects), [str(label) for label in one.level.labels]
        flat = draws.transpose(0, 2, 1).reshape(len(draws), -1)
        columns = {
            "effect": "ran_vals",
            "group": one.level.group,
            "level": np.tile(np.asarray(labels, object), len(terms)),
            "term": np.repeat(np.asarray(terms, object), len(labels)),
            "estimate": flat.mean(axis=0),
            "std.error": flat.std(axis=0, ddof=1),
        }
        if conf_int:
            columns |= dict(zip(LIMITS, limits(flat, level, kind), strict=True))
        yield pd.DataFrame(columns)
