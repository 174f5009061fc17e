"""The model specification.

R's formula grammar, R calls and model files come in; the frozen `LmeSpec` is what they become.
Nothing here sees data, and nothing is ever evaluated as Python.
"""
