"""Factors and solves in small blocks: the numbers, and what they leave alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bayeslme import triangular
from bayeslme.arrays import NUMPY, upper_factor

SIZES = (1, 2, 24, 63, 64, 65, 130, 200)

# Fits in four threads that end in any order; a fifth thread watches what other code has.
WATCHED = """
import json, os, threading, concurrent.futures as futures
import numpy as np, pandas as pd, scipy.linalg
workers = [t for t in os.listdir("/proc/self/task") if t != str(os.getpid())]
import bayeslme
from threadpoolctl import threadpool_info

def limits():
    return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]

def woken():
    read = lambda t: open(f"/proc/self/task/{t}/schedstat").read().split()[2]
    return sum(int(read(t)) for t in workers)

growth = bayeslme.load_data("Orthodont")
rng = np.random.default_rng(1)
places = pd.DataFrame(rng.uniform(size=(160, 3)), columns=["x", "z", "y"])
groups = pd.DataFrame({"g": np.repeat(range(12), 40), "t": np.tile(range(40), 12)})
groups["y"] = rng.normal(size=480)

def fit(k):
    if k % 4 == 0:
        bayeslme.gls("y ~ 1", places, correlation=bayeslme.CorExp(form="~ x + z"))
    elif k % 4 == 1:
        cor = bayeslme.CorRatio(form="~ t | g", nugget=True)
        bayeslme.gls("y ~ t", groups, correlation=cor).anova(df="kenward-roger")
    else:
        bayeslme.lme("distance ~ age", growth, "~ age | Subject").summary(df="kenward-roger")

fit(0), fit(1), fit(2)
before, start, seen, over = limits(), woken(), [], threading.Event()
watch = threading.Thread(target=lambda: [seen.append(limits()) for _ in iter(over.is_set, True)])
watch.start()
with futures.ThreadPoolExecutor(4) as pool:
    list(pool.map(fit, range(8)))
over.set()
watch.join()
print(json.dumps([before, limits(), sorted(map(list, set(map(tuple, seen)))), woken() - start]))
"""


def positive(n: int) -> np.ndarray:
    a = np.random.default_rng(n).normal(size=(n, n + 3))
    return a @ a.T


@pytest.mark.parametrize("n", SIZES)
def test_factor_and_solutions_are_those_of_the_whole_matrix(n: int) -> None:
    c = positive(n)
    lower = triangular.cholesky(c)
    assert lower is not None
    np.testing.assert_array_equal(np.triu(lower, 1), 0.0)
    np.testing.assert_allclose(lower, np.linalg.cholesky(c), rtol=1e-9, atol=1e-9 * n)
    sides = np.random.default_rng(0).normal(size=(n, 150))
    np.testing.assert_allclose(lower @ triangular.solve(lower, sides), sides, atol=1e-9)
    np.testing.assert_allclose(lower @ triangular.solve(lower, sides[:, 0]), sides[:, 0], atol=1e-9)
    np.testing.assert_allclose(triangular.solve_rows(lower, sides.T) @ lower.T, sides.T, atol=1e-9)


def test_what_is_not_positive_definite_has_no_factor() -> None:
    c = positive(100)
    c[90] = c[:, 90] = 0.0
    assert triangular.cholesky(c) is None
    both = NUMPY.cholesky(np.stack([positive(100), c]))
    assert np.isfinite(both[0]).all()
    assert np.isnan(both[1]).all()


@pytest.mark.parametrize("shape", [(3, 2), (5000, 3), (20_001, 7), (700, 40), (5000, 0)])
def test_the_factor_of_a_tall_matrix_comes_from_blocks_of_its_rows(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(1).normal(size=shape)
    r = upper_factor(x)
    np.testing.assert_allclose(r.T @ r, x.T @ x, atol=1e-8)


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="counts by Linux's scheduler")
def test_fits_in_threads_leave_other_codes_linear_algebra_alone() -> None:
    pytest.importorskip("threadpoolctl")
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WATCHED],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    before, after, during, woken = json.loads(run.stdout)
    assert before == after
    assert during == [before]
    # one fit of 160 places factors hundreds of matrices; what is left is read off the end
    assert woken < 100


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("m", [0, 1, 70])
def test_rows_are_solved_with_the_factorisation(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    root = rng.normal(size=(n, n + 3))
    c, rows = root @ root.T + np.eye(n), rng.normal(size=(m, n))
    found = triangular.factor_and_solve(c, rows)
    assert found is not None
    lower, solved = found
    np.testing.assert_allclose(lower @ lower.T, c, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(solved @ lower.T, rows, rtol=1e-10, atol=1e-10)
    c[-1, -1] = -1.0
    assert triangular.factor_and_solve(c, rows) is None
