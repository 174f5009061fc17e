"""Plots of frames, one function to a plot; they return axes and import matplotlib when they draw.

`style` has what they share; `data`, `residuals`, `estimates` and `checks` are named for what they
show.
"""
