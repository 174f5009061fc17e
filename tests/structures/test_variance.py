"""Variance functions of a covariate: several powers of a covariate that hardly varies."""

from __future__ import annotations

import bayeslme


def test_powers_of_strata_are_found_where_the_covariate_hardly_varies():
    """Fitted values of 6.9 to 7.1: what the powers have in common is flat, their differences not.

    nlme ends at 289.17414; started again with another optimiser it finds 2e-4 more.
    """
    fit = bayeslme.gls(
        "log(pixel) ~ Side + ns(day, 3)",
        bayeslme.load_data("Pixel"),
        correlation=bayeslme.CorAR1(form="~ 1 | Dog"),
        weights=bayeslme.VarPower(form="~ fitted(.) | Dog"),
        contrasts=("contr.sum", "contr.poly"),
    )
    assert fit.converged
    assert fit.loglik > 289.17414
