"""Data frames to text, HTML and plots, in the layout of R's nlme; nothing is computed here.

The floor `fit` supplies tables of numbers; this one chooses the number of digits and the layout.
Read `records` (what a page shows), `numbers`, `grid`, then `parts`, `pages` (in lme4's layout
`lme4_page`), `tables`, `html` and the folder `plots`. May import `errors`; `plots` reads formulas
too.
"""
