"""Plots of data frames, one function for each; they return axes and import matplotlib when called.

`style` holds what they share. `data`, `residuals`, `estimates` and `checks` are named after what
they show.
"""
