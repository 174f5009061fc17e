"""Tests, intervals and contrasts of a fit.

`degrees` and `hypotheses` are used by the others. `anova`, `comparison` and `simulated_lrt` are
tests; `intervals` and `bootstrap` give limits; `reference_grid`, `contrasts` and `means` are about
marginal means.
"""
