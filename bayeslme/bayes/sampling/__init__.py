"""The collapsed sampler, its parts in order, and the search for a posterior mode.

`sample` chooses the way; `collapsed` is the order of events: `coordinates`, `starting`, the mode, a
proposal (`mixture`), `importance`, and `annealing` where weights alone fail. `map` has penalised
estimates.
"""
