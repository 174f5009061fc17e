"""From a specification and a data frame to arrays.

`types` defines what the engine receives. The other modules follow in the order of the work: the
folders `variables` and `evaluation`, then `contrasts`, `model_matrix`, `coordinates` (positions and
strata) and `plan` (columns and rows that are used). `design` calls them all. `newdata` does the
same for rows to predict, and `datasets` holds the data sets of the package.

May import `formula`, `structures` and `spec`.
"""
