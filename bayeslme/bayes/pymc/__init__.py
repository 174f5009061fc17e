"""PyMC models of a specification, and NUTS on them.

`model` builds the marginal and the hierarchical form. It uses `variables` (a PyMC variable with its
prior for each block of parameters) and `transforms` (transforms missing from PyMC). `nuts` samples
a model.
"""
