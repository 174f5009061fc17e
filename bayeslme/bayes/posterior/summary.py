"""The summary of a posterior, in the parameters of nlme's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayeslme.bayes import settings
from bayeslme.bayes.posterior.estimates import parts, sigma_mean, varcorr
from bayeslme.fit.values.varcorr import nested_name
from bayeslme.report.export import Exported
from bayeslme.report.html import frames_html
from bayeslme.report.pages import coefficients_text, groups_text
from bayeslme.report.parts import random_text

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.draws import Draws

_TITLE = {
    "lme": "Linear mixed-effects model",
    "gls": "Generalized least squares model",
    "lm": "Linear model",
}


@dataclass(frozen=True, slots=True)
class PosteriorSummary(Exported):
    """Summary of a posterior.

    Attributes
    ----------
    fixed : DataFrame, shape (p, 6)
        Value (posterior mean), SD, lower, upper (95 % equal-tailed), ess_bulk, r_hat.
    variance : dict of str to DataFrame
        The same for the parameters of each group, of corstruct, varfunc and sigma.
    notes : tuple of str
        What the reader must know: divergences, poor mixing.
    text : str
        What is printed.
    """

    fixed: pd.DataFrame
    variance: dict[str, pd.DataFrame]
    notes: tuple[str, ...]
    text: str

    def exported(self) -> dict[str, pd.DataFrame]:
        """Coefficients, then the parameters of each group and of the rows' structures."""
        return {"Fixed effects": self.fixed, **self.variance}

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        shown = {"fixed": self.fixed, **self.variance}
        return frames_html({name: _rounded(table) for name, table in shown.items()}, self.notes)


def summary(posterior: Draws) -> PosteriorSummary:
    """Summarise a posterior; see `Posterior.summary`."""
    tables = {name: _table(posterior, draws) for name, draws in parts(posterior).items()}
    fixed = tables.pop("fixed")
    found = notes(posterior, [fixed, *tables.values()])
    return PosteriorSummary(fixed, tables, found, _text(posterior, fixed, tables, found))


def _table(posterior: Draws, draws: pd.DataFrame) -> pd.DataFrame:
    limits = settings.POSTERIOR
    sizes = posterior.data["posterior"].sizes
    shaped = draws.to_numpy().reshape(sizes["chain"], sizes["draw"], -1)
    low, high = np.quantile(
        draws.to_numpy(), (0.5 - limits.interval_level / 2, 0.5 + limits.interval_level / 2), axis=0
    )
    weights_ess = posterior.data["sample_stats"].attrs.get("weights_ess")
    most = np.inf if weights_ess is None else float(weights_ess)
    columns = {
        "Value": draws.mean().to_numpy(),
        "SD": draws.std().to_numpy(),
        "lower": low,
        "upper": high,
        "ess_bulk": [min(effective_size(shaped[..., j]), most) for j in range(shaped.shape[-1])],
        "r_hat": [
            split_r_hat(shaped[..., j]) if weights_ess is None else np.nan  # chains are compared
            for j in range(shaped.shape[-1])
        ],
    }
    return pd.DataFrame(columns, index=list(draws.columns))


def effective_size(draws: np.ndarray) -> float:
    """Bulk effective sample size of draws (chains, draws); NaN where there are too few."""
    import arviz_stats as azs

    return (
        float(azs.ess(draws, method="bulk"))
        if draws.shape[1] >= settings.POSTERIOR.min_diagnostic_draws
        else float("nan")
    )


def effective_draws(posterior: Draws, draws: np.ndarray) -> float:
    """Effective number of draws (s,) for their mean, at most that of the importance weights."""
    import arviz_stats as azs

    sizes = posterior.data["posterior"].sizes
    shaped = draws.reshape(sizes["chain"], sizes["draw"])
    most = float(posterior.data["sample_stats"].attrs.get("weights_ess", np.inf))
    if shaped.shape[1] < settings.POSTERIOR.min_diagnostic_draws or np.ptp(shaped) == 0.0:
        return min(float(shaped.size), most)
    return min(float(azs.ess(shaped, method="mean")), most)


def split_r_hat(draws: np.ndarray) -> float:
    """Rank-normalised split R-hat of draws (chains, draws); NaN where there are too few."""
    import arviz_stats as azs

    return (
        float(azs.rhat(draws))
        if draws.shape[1] >= settings.POSTERIOR.min_diagnostic_draws
        else float("nan")
    )


def notes(posterior: Draws, tables: list[pd.DataFrame]) -> tuple[str, ...]:
    """Problems of the sampling, in words."""
    stats = posterior.data["sample_stats"]
    found = [str(text) for text in np.atleast_1d(stats.attrs.get("warnings", []))]
    if "diverging" in stats and not any("divergent" in text for text in found):
        count = int(stats["diverging"].sum())
        if count:
            found.append(
                f"{count} divergent transitions; use more informative priors, or more tuning"
            )
    worst = max((float(t["r_hat"].max()) for t in tables if len(t)), default=1.0)
    if worst > settings.POSTERIOR.max_r_hat and not any("R-hat" in text for text in found):
        found.append(f"R-hat reaches {worst:.3f}; the chains do not agree yet, sample longer")
    return tuple(found)


def _text(
    posterior: Draws,
    fixed: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    found: tuple[str, ...],
) -> str:
    spec, design = posterior.fit.spec, posterior.parameters.design
    sizes = posterior.data["posterior"].sizes
    route = posterior.data["sample_stats"].attrs.get("route", "")
    lines = [f"{_TITLE[posterior.fit.kind]}, posterior"]
    if spec.data:
        lines.append(f"  Data: {spec.data} ")
    lines += [f"  {sizes['chain']} chains of {sizes['draw']} draws ({route})", ""]
    components = varcorr(posterior)
    if components.parts:
        lines += [random_text(components.parts, sigma_mean(posterior))]
    variance = pd.concat(tables) if tables else pd.DataFrame()
    if len(variance):
        variance.index = [_label(part, name) for part, name in variance.index]
        lines += ["Variance parameters:", coefficients_text(_rounded(variance)), ""]
    lines += [f"Fixed effects:  {spec.fixed} ", coefficients_text(_rounded(fixed)), ""]
    lines += [str(posterior.priors), ""]
    if design.levels:
        groups = {nested_name(design, k): len(one.labels) for k, one in enumerate(design.levels)}
        lines.append(groups_text(len(design.y), pd.Series(groups, dtype=int)))
    else:
        lines.append(f"Number of Observations: {len(design.y)}")
    return "\n".join([*lines, *(f"Note: {note}" for note in found)])


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers with no more digits than draws give them: three of the standard deviation."""
    spread = table["SD"].to_numpy(dtype=float)
    known = np.where(np.isfinite(spread) & (spread > 0), spread, 1e-7)
    places = (settings.POSTERIOR.sd_digits - 1 - np.floor(np.log10(known))).astype(int)
    out = table.assign(ess_bulk=table["ess_bulk"].round(), r_hat=table["r_hat"].round(3))
    for name in ("Value", "SD", "lower", "upper"):
        pairs = zip(table[name], places.tolist(), strict=True)
        out[name] = [round(float(value), place) for value, place in pairs]
    return out


def _label(part: str, name: str) -> str:
    return name if part == name else f"{part} {name}"
