"""The marginal likelihood of a problem: whiten, eliminate, profile.

`likelihood` is these three lines; `whiten` and `eliminate` are the first two. `row_grams` says
where the cross products of the rows come from, `compressed_rows` how they are had without reading
the rows again.
"""
