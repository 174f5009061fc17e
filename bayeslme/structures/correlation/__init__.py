"""Correlation of the residuals within groups.

`base` has what all structures share, and `positions` the positions of the rows within groups. Then
there is one module for each family: `serial` (with the algebra in `arma`), `spatial` and
`unstructured`.
"""
