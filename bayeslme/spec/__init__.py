"""The model specification: R's formula grammar, R calls, model files, and the frozen object they all become."""
