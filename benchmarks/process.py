"""Measurements in processes of their own: a fresh Python, or Rscript where it is installed."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.frames import store
from benchmarks.models import MODELS

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent
# R's packages in the order of the tables, and the function that fits.
R_ENGINES = {"lme4": "lme4::lmer", "nlme": "nlme"}
Result = dict[str, Any]


class NotInstalled(Exception):
    """A peer that this machine does not have."""


class PeerFailed(Exception):
    """A peer that could not fit the model; with what it said last."""


def fresh(task: str, **arguments: Any) -> Result:
    """Run one task of ``benchmarks.tasks`` in a fresh process.

    Raises
    ------
    NotInstalled
        If the task needs a package that is not there.
    RuntimeError
        If it fails otherwise; with the end of what it printed.
    """
    call = [sys.executable, "-m", "benchmarks.tasks", task, json.dumps(arguments)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{task} {arguments} failed:\n{done.stderr[-2000:]}")
    result: Result = json.loads(done.stdout.splitlines()[-1])
    if "missing" in result:
        raise NotInstalled(f"{result['missing']} is not installed")
    return result


@functools.cache
def r_has(package: str) -> bool:
    """Whether Rscript is installed and has a package."""
    if shutil.which("Rscript") is None:
        return False
    test = f'quit(status = !requireNamespace("{package}", quietly = TRUE))'
    return subprocess.run(["Rscript", "-e", test], capture_output=True, check=False).returncode == 0


@functools.cache
def timed(engine: str, model: str, n: int, repeats: int = 1) -> Result:
    """Fit a model of ``benchmarks.models`` by an engine; every engine gets the same numbers.

    Parameters
    ----------
    engine : {"bayeslme", "statsmodels", "nlme", "lme4"}
    model : str
    n : int
        Rows.
    repeats : int

    Returns
    -------
    dict
        ``seconds`` (median), ``loglik``, ``frame`` (bytes), ``growth`` (peak bytes beyond what the
        process held with the frame; None where unknown), ``load`` (of the machine before), and
        of R a ``note``.

    Raises
    ------
    NotInstalled, PeerFailed
    """
    load = os.getloadavg()[0]
    if engine in R_ENGINES:
        result = _r(engine, model, n)
    else:
        result = fresh(engine, model=model, n=n, repeats=repeats)
    return {**result, "load": load}


def _r(package: str, model: str, n: int) -> Result:
    if not r_has(package):
        raise NotInstalled(f"{R_ENGINES[package]} is not installed")
    call = MODELS[model].lme4 if package == "lme4" else MODELS[model].nlme
    assert call is not None, f"{package} does not have the model {model}"
    with tempfile.TemporaryDirectory() as folder:
        store(MODELS[model].frame, n, Path(folder))
        line = ["Rscript", str(HERE / "fit.R"), folder, str(n), package, call]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerFailed(" ".join(done.stderr[-300:].split()))
    seconds, loglik, frame, growth, *note = done.stdout.splitlines()[-1].split()
    return {
        "seconds": float(seconds),
        "loglik": float(loglik),
        "frame": float(frame),
        "growth": None if growth == "NA" else float(growth),
        "note": " ".join(note),
    }
