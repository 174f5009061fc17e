"""Columns of a data frame as arrays: numbers, days, factors and groups.

`columns` reads each column once. `dates` converts times to days. `factors` holds codes and levels,
and `labels` names the levels. `groups` nests grouping factors.
"""
