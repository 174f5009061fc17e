"""Plots of a posterior, drawn by ArviZ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import arviz as az

if TYPE_CHECKING:
    from bayeslme.bayes.posterior import Posterior


@dataclass(frozen=True)
class PosteriorPlots:
    """Plots as methods; each returns ArviZ's ``PlotCollection``.

    Parameters
    ----------
    posterior : Posterior
    """

    posterior: Posterior

    def _parameters(self) -> list[str]:
        return [b.name for b in self.posterior.layout.blocks if b.coefs and not b.matrix]

    def trace(self, **options: Any) -> Any:
        """Traces and densities of all parameters but correlation matrices."""
        options.setdefault("var_names", self._parameters())
        return az.plot_trace_dist(self.posterior.data, **options)

    def forest(self, **options: Any) -> Any:
        """Intervals of all parameters but correlation matrices."""
        options.setdefault("var_names", self._parameters())
        options.setdefault("combined", True)
        return az.plot_forest(self.posterior.data, **options)

    def dist(self, **options: Any) -> Any:
        """Densities of all parameters but correlation matrices."""
        options.setdefault("var_names", self._parameters())
        return az.plot_dist(self.posterior.data, **options)

    def ppc(self, conditional: bool = True, seed: int | None = None, **options: Any) -> Any:
        """Replicated responses over the observed one."""
        return az.plot_ppc_dist(self.posterior.ppc(conditional, seed), **options)
