"""PyMC models of a specification, and NUTS on them.

`model` builds both forms from `variables` (on `transforms`); `nuts` samples them.
"""
