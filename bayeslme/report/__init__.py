"""Frames to text, HTML and plots, in the layout of R's nlme; nothing is computed here.

Tables hold numbers (``fit``); this floor only decides how many digits they show and where they
stand on the page. Read `records` (what a page shows), `numbers`, `grid`, then `parts`, `pages` (in
lme4's layout `lme4_page`), `tables`, `html` and the folder `plots`. Imports `errors`; `plots` reads
formulas too.
"""
