"""A self-contained HTML report of a fit and its posterior."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayeslme.bayes.compare import compare
from bayeslme.fit.output.report import fit_sections, write
from bayeslme.report.html import Section, code, document, heading, picture

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.posterior import Posterior
    from bayeslme.fit.result import Fit


def write_report(
    path: Path, title: str, description: str, fit: Fit, posterior: Posterior | None = None
) -> None:
    """Write tables and plots into one HTML file that needs nothing else.

    Parameters
    ----------
    path : Path
    title, description : str
    fit : Fit
    posterior : Posterior, optional
    """
    sections = fit_sections(fit)
    if posterior is not None:
        sections += _posterior_sections(fit, posterior)
    write(document(title, description, sections), path)


def _posterior_sections(fit: Fit, posterior: Posterior) -> list[Section]:
    return [
        Section(
            "Posterior",
            [
                posterior.summary()._repr_html_(),
                heading("Priors"),
                code(posterior.priors),
                _picture(posterior.plot.forest(), "Posterior intervals"),
                _picture(posterior.plot.trace(), "Traces and densities"),
            ],
        ),
        Section(f"{fit.method} and posterior", [compare(fit, posterior)._repr_html_()]),
        Section(
            "Posterior predictive check",
            [_picture(posterior.plot.ppc(), "Replicated responses over the observed ones")],
        ),
    ]


def _picture(drawn: Any, caption: str) -> str:
    """Embed the figure of an ArviZ ``PlotCollection``."""
    return picture(drawn.viz["figure"].item(), caption)
