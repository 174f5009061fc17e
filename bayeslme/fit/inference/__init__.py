"""Tests, intervals and contrasts of a fit.

`degrees` and `hypotheses` are what the others stand on. Then `anova`, `comparison`, `simulated_lrt`
for tests, `intervals` and `bootstrap` for limits, `reference_grid`, `contrasts` and `means` for
marginal means.
"""
