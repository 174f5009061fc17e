"""Predictions and residuals from an estimate.

`blup` predicts new rows from the random effects, `kriging` predicts their correlated residuals,
`residuals` converts between correlated and independent residuals.
"""
