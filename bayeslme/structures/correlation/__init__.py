"""Correlation of the residuals within groups.

`base` has what all of them share, `positions` where the residuals of a group stand; then one module
for each family: `serial` (its algebra in `arma`), `spatial` and `unstructured`.
"""
