"""Simulated data of the benchmarks: seeded, and of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

SIZE = 10  # rows of a group where a model does not say otherwise


def _rest(groups: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """A response from two covariates and a random intercept and slope of each group."""
    n, count = len(groups), int(groups[-1]) + 1
    x1, x2 = rng.standard_normal((2, n))
    b = rng.standard_normal((count, 2)) @ np.array([[1.0, 0.3], [0.0, 0.5]])
    y = 1.0 + 0.5 * x1 + x2 + b[groups, 0] + b[groups, 1] * x1 + rng.standard_normal(n)
    return pd.DataFrame({"y": y, "x1": x1, "x2": x2, "g": groups})


def slopes(n: int, size: int = SIZE) -> pd.DataFrame:
    """Random intercept and slope in n / size groups."""
    return _rest(np.arange(n) // size, np.random.default_rng(1))


def long_groups(n: int) -> pd.DataFrame:
    """The same with 100 rows a group."""
    return slopes(n, 100)


def _ar1(n: int, size: int, phi: float, rng: np.random.Generator) -> np.ndarray:
    """Standard AR(1) errors within consecutive groups, (n,)."""
    e = rng.standard_normal((n // size, size))
    for k in range(1, size):
        e[:, k] = phi * e[:, k - 1] + np.sqrt(1 - phi**2) * e[:, k]
    return e.ravel()


def serial(n: int, size: int = SIZE) -> pd.DataFrame:
    """Random intercept and slope, AR(1) errors within groups, two strata of groups."""
    rng = np.random.default_rng(2)
    frame = _rest(np.arange(n) // size, rng)
    high = frame["g"].to_numpy() % 2 == 1
    noise = _ar1(n, size, 0.5, rng) * np.where(high, 2.0, 1.0)
    return frame.assign(
        y=frame["y"] + noise, time=np.arange(n) % size, s=pd.Categorical(np.where(high, "b", "a"))
    )


def nested(n: int) -> pd.DataFrame:
    """Three nested levels of random intercepts, 5 rows in each of 10 in each of 20 groups."""
    rng = np.random.default_rng(3)
    row = np.arange(n)
    c, b, a = row // 5, row // 50, row // 1000
    x1, x2 = rng.standard_normal((2, n))
    y = 1.0 + 0.5 * x1 + x2 + rng.standard_normal(n)
    for code, sd in ((a, 1.5), (b, 1.0), (c, 0.5)):
        y += sd * rng.standard_normal(int(code[-1]) + 1)[code]
    return pd.DataFrame({"y": y, "x1": x1, "x2": x2, "a": a, "b": b % 20, "c": c % 10})


def series(n: int) -> pd.DataFrame:
    """One series with ARMA(1, 1) errors; `t` are unequally spaced times."""
    rng = np.random.default_rng(4)
    e = rng.standard_normal(n + 1)
    noise, before = np.empty(n), 0.0
    for i, shock in enumerate((e[1:] + 0.3 * e[:-1]).tolist()):
        before = noise[i] = 0.6 * before + shock
    x1 = rng.standard_normal(n)
    times = np.cumsum(rng.uniform(0.5, 1.5, n))
    return pd.DataFrame({"y": 1.0 + 0.5 * x1 + noise, "x1": x1, "t": times})


FRAMES = {f.__name__: f for f in (slopes, long_groups, serial, nested, series)}


def store(name: str, n: int, folder: Path) -> None:
    """Write a frame column by column, for R: 8-byte numbers, factors as their codes from 1."""
    for column, values in FRAMES[name](n).items():
        codes = values.cat.codes + 1 if values.dtype == "category" else values
        codes.to_numpy(dtype=np.float64).tofile(folder / f"{column}.f64")
