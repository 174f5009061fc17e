"""Columns of a data frame as arrays: numbers, days, factors and groups.

`columns` reads each column once; `dates` counts times as days, `factors` holds codes and levels,
under the names that `labels` makes; `groups` nests grouping factors, `crossed` says which of them
cross.
"""
