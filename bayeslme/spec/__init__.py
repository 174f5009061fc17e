"""The model specification.

R calls, Python arguments and model files come in; the frozen `LmeSpec` of `model` is what they
become. Read `model`, then `make` and `random` for arguments from Python, `call` and
`structure_reader` for R's calls, `write` and `update` for the ways back, `bars` and `modelfile` for
other sources. Nothing here sees data, and nothing is ever evaluated as Python.

Imports `formula` and `structures`; the verbs of `LmeSpec` alone reach upwards, when they are used.
"""
