"""Everything a fit says, on one page of HTML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from bayeslme.errors import DataError, SpecError, as_path
from bayeslme.fit.settings import SETTINGS
from bayeslme.fit.values.curves import default_primary
from bayeslme.fit.values.dependence import lag_scale, n_pairs
from bayeslme.fit.values.positions import positions
from bayeslme.report.html import Section, code, document, heading, picture, prose

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayeslme.fit.result import Fit
    from bayeslme.spec.model import LmeSpec


def report(fit: Fit, path: str | Path, title: str | None = None, description: str = "") -> Path:
    """Write a page of tables and plots into one HTML file that needs nothing else.

    See `Fit.report`.
    """
    head = str(fit.spec.fixed) if title is None else title
    return write(document(head, description, fit_sections(fit)), path)


def write(page: str, path: str | Path) -> Path:
    """Write a page to a file."""
    file = as_path(path)
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise DataError(f"report: {file} cannot be written: {error.strerror}") from error
    return file


def _calls(spec: LmeSpec) -> str:
    """The call in Python and in R, or why R has none."""
    try:
        return f"{spec}\n\n# in R\n{spec.to_r()}"
    except SpecError as error:
        return f"{spec}\n\n# {error}"


def fit_sections(fit: Fit) -> list[Section]:
    """Sections on the model, its estimates, tests, intervals and residuals."""
    sections = [
        Section("Model", [code(_calls(fit.spec))]),
        Section("Estimates", [fit._repr_html_()]),
        Section("Tests of terms", _tests(fit)),
    ]
    if fit.method != "MAP":
        sections.append(Section("Intervals", [fit.intervals()._repr_html_()]))
    if fit.design.levels:
        sections.append(Section("Random effects", list(_random_effects(fit))))
    return [*sections, Section("Residuals", list(_residuals(fit)))]


def _tests(fit: Fit) -> list[str]:
    parts = [heading("In the order of the formula"), fit.anova()._repr_html_()]
    if len(np.unique(fit.design.assign)) > 1:
        parts += [heading("Each after all others"), fit.anova(type="marginal")._repr_html_()]
    return parts


def _random_effects(fit: Fit) -> Iterator[str]:
    yield fit.varcorr()._repr_html_()
    looked = fit.singular()
    if looked.doubtful:
        yield heading("Singular or unidentified")
        yield looked._repr_html_()
    for level in fit.design.levels:
        if len(level.labels) <= SETTINGS.max_caterpillar_groups:
            axes = fit.plot.caterpillar(level.group)
            yield _picture(axes, f"Random effects of {level.group} with 95% intervals")
        if len(level.labels) > 2:  # noqa: PLR2004 - two points are always on a line
            axes = fit.plot.qq(group=level.group)
            yield _picture(axes, f"Random effects of {level.group} against normal quantiles")
    primary = default_primary(fit)
    if primary is not None and len(fit.design.levels[-1].labels) <= SETTINGS.max_report_panels:
        axes = fit.plot.aug_pred(primary, level=[0, len(fit.design.levels)])
        yield _picture(axes, "Observed responses, and predictions without and with random effects")


def _residuals(fit: Fit) -> Iterator[str]:
    yield _picture(fit.plot.residuals(), "Standardized residuals against fitted values")
    yield _picture(fit.plot.qq(), "Standardized residuals against normal quantiles")
    structure = fit.spec.correlation
    if structure is None:
        return
    if not structure.spatial and _counts(fit):
        axes = fit.plot.acf(type="normalized")
        yield _picture([axes], "Autocorrelation of the normalized residuals: what the model left")
    pairs = n_pairs(positions(fit, None))
    if pairs == 0:
        return
    if structure.stationary and pairs <= SETTINGS.max_pairs:
        axes = fit.plot.variogram()
        yield _picture([axes], "Semivariogram of the residuals, with the fitted structure's")
    elif structure.stationary:
        yield prose("The groups are too long for a semivariogram of all pairs of residuals.")
    else:
        yield prose("The correlation is unstructured: it has no curve over distance.")


def _counts(fit: Fit) -> bool:
    """Whether residuals stand at whole numbers on a line, in groups of several."""
    known = fit.design.correlation
    if known is None or np.bincount(known.code).max() == 1:
        return False
    place = known.position
    if place is None:
        return True
    whole = place.shape[1] == 1 and bool(np.all(place == np.round(place)))
    return whole and not lag_scale(positions(fit, None)).empty


def _picture(axes: list[Axes], caption: str) -> str:
    return picture(cast("Figure", axes[0].get_figure(root=True)), caption)
