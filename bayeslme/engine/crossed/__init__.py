"""Crossed random effects: a chain of nested levels, and a block of columns beside it.

`problem` says what is chain and what is block, `patterns` which of their columns meet, `related`
how columns of related groups become those of independent effects; `eliminate` takes the effects
out, on the cross products of `grams`; `gradient` goes back through the elimination, `starts` and
`blup` are the search's beginning and the predictions.
`dense`, `balance` and `batch` are the elimination at many values of theta at once, `symbolic` that
of whitened rows in NumPy and PyTensor, and `left_out` the likelihood without some of the rows.
"""
