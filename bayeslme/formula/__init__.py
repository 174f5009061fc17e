"""R's formula language, read and written without a model in sight.

A text becomes an expression (`grammar`, `expressions`), an expression a formula (`formula`) and a
formula its terms (`terms`); `deparse` writes R's text for any of them. `functions` lists what a
formula may call, `constants` reads the arguments of an R call. Read in this order. Nothing here is
evaluated as Python.

Imports only `errors`.
"""
