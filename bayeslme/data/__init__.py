"""From a specification and a data frame to arrays, and what new data need for prediction.

Read `types` for what the engine is given, then in the order of the work: the folders `variables`
and `evaluation`, `contrasts`, `model_matrix`, `coordinates`, `plan`, and `design`, which calls them
all; `newdata` does the same for rows to predict. `datasets` holds the data sets that come with the
package.

Imports `formula`, `structures` and `spec`.
"""
