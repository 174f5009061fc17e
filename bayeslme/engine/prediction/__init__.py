"""Predictions and residuals from an estimate.

`blup` predicts new rows from the random effects, `kriging` adds what correlated residuals tell,
`residuals` goes between correlated and independent residuals.
"""
