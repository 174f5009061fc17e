"""Plots of frames, one to a module; they return axes and import matplotlib when they draw."""
