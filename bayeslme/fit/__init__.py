"""Results of a fit: one module for each verb, numbers in frames, printing left to the floor below.

``api`` holds the functions a user calls (``lme``, ``gls``, ``lm``), ``result`` the fits whose
methods delegate to the modules of the same name.
"""
