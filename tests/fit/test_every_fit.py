"""Verbs after a fit on models of every kind: each twenty-fifth of the stored calls."""

from __future__ import annotations

import numpy as np
import pytest

from bayeslme.errors import SpecError
from reference.corpus import by_id
from reference.fitting import fitted

NAMES = [
    name
    for name, case in by_id().items()
    if case["call"].startswith(("lme(", "gls(")) and name != "d_toomany_re2_REML"
][::25]


@pytest.mark.parametrize("name", NAMES)
def test_reports_intervals_curves_and_refits(name: str) -> None:
    fit = fitted(name)
    report = fit.singular(prior=None)
    assert str(report)
    assert (report.alternatives is None) == (not report.doubtful)
    for one in report.values():
        assert one.sd.is_monotonic_decreasing
        assert np.sum(one.sd**2) == pytest.approx(np.trace(one.cov), rel=1e-12, abs=1e-12)
        for combination in one.empty:
            assert combination @ one.cov @ combination <= 1e-6 * max(1.0, np.trace(one.cov))
    found = fit.intervals()
    for part, table in found.items():
        known = table.dropna()
        inside = (known["lower"] <= known["est."]) & (known["est."] <= known["upper"])
        for row in known.index[~inside]:  # joint scales of nlme's, which a note speaks of
            assert any(f"{row} in {part}" in note for note in found.notes)
    try:
        curves = fit.aug_pred(length=2)
    except SpecError as error:  # several covariates, or none: the user has to say which
        assert str(error).startswith("primary: say which")
    else:
        assert np.isfinite(curves.iloc[:, 2]).all()
    assert fit.refit(fit.design.y).loglik > fit.loglik - 1e-5
