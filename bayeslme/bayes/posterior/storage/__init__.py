"""Posteriors on disk: `storage` writes and reads the model, `stored_files` its draws in a file."""
