"""The marginal likelihood of a problem: whiten, eliminate, profile.

`likelihood` runs these three steps; `whiten` and `eliminate` implement the first two. `row_grams`
forms the cross products of the rows. `compressed_rows` computes them without reading the rows
again, and `reproduced_rows` without loss of digits where random effects reproduce rows.
"""
