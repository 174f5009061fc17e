"""Frames to text, HTML and plots, in the layout of R's nlme; nothing is computed here.

Tables hold numbers (``fit``); this floor only decides how many digits they show and where they
stand on the page.
"""
