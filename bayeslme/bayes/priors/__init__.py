"""Priors: how they are written, what their densities are, and the defaults.

Read `language`, `distributions` (on `densities`), `scales` (what a density is about), `priors` and
`defaults`; `draws` and `predictive` draw from them without PyMC.
"""
