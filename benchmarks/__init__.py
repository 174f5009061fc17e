"""Timings that the documentation quotes; measured, never tested."""
