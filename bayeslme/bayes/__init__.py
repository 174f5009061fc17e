"""The Bayesian side: priors, PyMC models, sampling, posteriors and comparisons. PyMC and ArviZ are imported where they are used, not here."""
