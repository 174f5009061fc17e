"""Effects, fitted values and predictions of a posterior, for rows and groups.

`values` has the fitted values, residuals and replicates of the rows used; `predict` predicts, at
the rows of a data frame that `new_rows` reads and locates. `random_effects` draws the random
effects of known groups, `simulate` those of new groups and residuals.
"""
