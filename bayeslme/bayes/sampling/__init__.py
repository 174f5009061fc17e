"""The collapsed sampler, and the search for a posterior mode.

`sample` chooses between the collapsed sampler and NUTS. `collapsed` calls the steps of the
collapsed sampler in order: `coordinates` (unconstrained scale), `starting` (starting values), a
proposal (`mixture`), `importance` sampling, and `annealing` where importance weights fail. `map`
computes penalised estimates.
"""
