"""The Bayesian side: priors, PyMC models, sampling, posteriors and comparisons.

PyMC and ArviZ are imported by the modules that use them, and these only when they are needed.
"""
