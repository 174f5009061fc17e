"""R's formula language, read and written without data or models.

Read in this order: `grammar` and `expressions` (text to expression), `formula` (expression to
formula), `terms` (formula to terms), `deparse` (any of them to R's text). `functions` lists what a
formula may call, and `constants` reads the arguments of an R call. Nothing is evaluated as Python.

May import only `errors`.
"""
