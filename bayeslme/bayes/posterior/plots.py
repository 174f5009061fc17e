"""Plots of a posterior, drawn by ArviZ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import arviz as az
import xarray as xr

from bayeslme.report.plots.style import plain

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.posterior import Posterior


class PlainLabeller(az.labels.BaseLabeller):
    """Labels in which dollars are dollars, where matplotlib would read mathematics."""

    def var_name_to_str(self, var_name: Any) -> str:
        """Name of a variable as it is drawn."""
        return plain(super().var_name_to_str(var_name))

    def dim_coord_to_str(self, dim: Any, coord_val: Any, coord_idx: Any) -> str:
        """Name of an element as it is drawn."""
        return plain(super().dim_coord_to_str(dim, coord_val, coord_idx))


@dataclass(frozen=True, repr=False)
class PosteriorPlots:
    """Plots as methods; each returns ArviZ's ``PlotCollection``.

    Parameters
    ----------
    posterior : Posterior
    """

    posterior: Posterior

    def _parameters(self) -> list[str]:
        return [b.name for b in self.posterior.parameters.blocks if b.coefs and not b.matrix]

    def _named(self, options: dict[str, Any]) -> dict[str, Any]:
        """Options with the parameters to draw, and room for the panels' titles."""
        return self._labelled(_spaced(options))

    def _labelled(self, options: dict[str, Any]) -> dict[str, Any]:
        """Options with the parameters to draw and their labels."""
        backend = options.get("backend") or az.rcParams["plot.backend"]
        labels = {"labeller": PlainLabeller()} if backend == "matplotlib" else {}
        return {"var_names": self._parameters(), **labels, **options}

    def trace(self, **options: Any) -> Any:
        """Traces and densities of all parameters but correlation matrices, a row for each."""
        options.setdefault("compact", False)
        return az.plot_trace_dist(self.posterior.data, **self._named(options))

    def forest(self, **options: Any) -> Any:
        """Intervals of all parameters but correlation matrices."""
        options.setdefault("combined", True)
        return az.plot_forest(self.posterior.data, **self._labelled(options))

    def dist(self, **options: Any) -> Any:
        """Densities of all parameters but correlation matrices."""
        return az.plot_dist(self.posterior.data, **self._named(options))

    def prior(self, draws: int = 2000, seed: int | None = None, **options: Any) -> Any:
        """Densities of priors beside those of the posterior, from draws of both."""
        tree = self.posterior.data.copy()
        tree["prior"] = self.posterior.prior_predictive(draws, seed)["prior"]
        return az.plot_prior_posterior(tree, **self._named(options))

    def prior_predictive(self, draws: int = 500, seed: int | None = None, **options: Any) -> Any:
        """Responses that the priors expect, over the observed one."""
        options.setdefault("visuals", {"observed_dist": True})
        tree = self.posterior.prior_predictive(draws, seed)
        return az.plot_ppc_dist(tree, group="prior_predictive", **options)

    def sensitivity(self, **options: Any) -> Any:
        """Densities under stronger and weaker priors and likelihoods."""
        from bayeslme.bayes.checks.sensitivity import scaled_priors

        scaled_priors(self.posterior, options.get("prior_var_names"))
        tree = self.posterior.data.copy()
        drawn = tree["posterior"].to_dataset()
        if len(drawn.data_vars) == 1:  # ArviZ takes one variable alone for an array without name
            tree["posterior"] = drawn.assign(unused=xr.zeros_like(drawn["chain"] * drawn["draw"]))
        return az.plot_psense_dist(tree, **self._named(options))

    def ppc(self, conditional: bool = True, seed: int | None = None, **options: Any) -> Any:
        """Replicated responses over the observed one."""
        return az.plot_ppc_dist(self.posterior.ppc(conditional, seed), **options)


def _spaced(options: dict[str, Any]) -> dict[str, Any]:
    figure = {"layout": "constrained", **options.get("figure_kwargs", {})}
    return {**options, "figure_kwargs": figure}
