"""The fit owns its data: what the caller does to the frame or other arguments stays outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import CorAR1, VarIdent

RNG = np.random.default_rng(3)
G, ROWS = 10, 6
OWN = np.repeat(np.arange(G), ROWS)
X = RNG.uniform(0, 10, G * ROWS)
Y = 1 + 0.5 * X + RNG.normal(0, 2, G)[OWN] + RNG.normal(size=G * ROWS) * np.where(X > 5, 3, 0.3)
NUMBERS = np.column_stack([Y, X, OWN, X > 5, np.tile(np.arange(ROWS), G)])


def given() -> tuple[pd.DataFrame, np.ndarray]:
    """A frame that is a view of an array, and the array."""
    array = NUMBERS.copy()
    return pd.DataFrame(array, columns=["y", "x", "g", "s", "t"], copy=False), array


def drop(data: pd.DataFrame, _: np.ndarray) -> None:
    data.drop(index=data.index[:9], inplace=True)


def sort(data: pd.DataFrame, _: np.ndarray) -> None:
    data.sort_values("y", inplace=True, ignore_index=True)


def replace(data: pd.DataFrame, _: np.ndarray) -> None:
    data["x"], data["s"] = 0.0, 1.0
    data.loc[:, "y"] = 5.0


def rename(data: pd.DataFrame, _: np.ndarray) -> None:
    data.columns = list("abcde")
    data.index = data.index + 7
    data.attrs["formula"] = "a ~ b | c"


def write(_: pd.DataFrame, array: np.ndarray) -> None:
    array[:] = array[::-1].copy()
    array[:20] = 9


def write_column(data: pd.DataFrame, _: np.ndarray) -> None:
    for name in data:
        values: Any = data[name].array
        values[:] = values[::-1].copy()


CHANGES: list[Callable[[pd.DataFrame, np.ndarray], None]] = [
    drop, sort, replace, rename, write, write_column,
]  # fmt: skip
FITS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "lme": lambda d: bayeslme.lme("y ~ x", d, "~ 1 | g"),
    "gls": lambda d: bayeslme.gls("y ~ x", d, CorAR1(form="~ t | g"), subset="t < 5"),
    "lm": lambda d: bayeslme.lm("y ~ x", d),
    "lmlist": lambda d: bayeslme.lmlist("y ~ x | g", d),
}


def told(fit: Any) -> dict[str, str]:
    """What verbs that look at the data again say, and some that do not."""
    out = {
        "data": fit.data.to_string(),
        "aug_pred": fit.aug_pred("x", length=3).to_string(),
        "update": str(fit.update(fixed=". ~ . + t")),
        "predict": fit.predict().to_string(),
        "residuals": fit.residuals().to_string(),
    }
    if fit.spec.function == "lmList":
        return out
    out["variogram"] = fit.variogram("~ x").to_string()
    out["acf"] = fit.acf(form="~ t | g").to_string()
    out["refit"] = str(fit.refit(np.arange(fit.nobs) ** 0.5).loglik)
    if fit.spec.function != "lm":
        out["unused"] = str(fit.update(weights=VarIdent(form="~ 1 | s"), subset="t > 0").loglik)
    return out


IN_PLACE = pytest.mark.filterwarnings("ignore:The inplace keyword")  # pandas 3.1 and later


@IN_PLACE
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", FITS)
def test_changes_of_the_frame_in_place_do_not_reach_the_fit(kind: str, change: Any) -> None:
    data, array = given()
    fit = FITS[kind](data)
    change(data, array)
    assert told(fit) == told(FITS[kind](given()[0]))


@IN_PLACE
@pytest.mark.parametrize("change", [drop, write])
def test_posteriors_own_their_data_too(change: Any) -> None:
    def said(posterior: Any) -> list[str]:
        check = posterior.check("sd_by_stratum", by="s")
        return [str(check), posterior.predict().to_string(), str(posterior.summary())]

    data, array = given()
    posterior = FITS["lme"](data).sample(draws=50, seed=1)
    change(data, array)
    assert said(posterior) == said(FITS["lme"](given()[0]).sample(draws=50, seed=1))


ARGUMENTS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "mask": (
        lambda: np.arange(G * ROWS) % 5 > 0,
        lambda mask: mask.fill(True),
        lambda mask: bayeslme.lme("y ~ x", given()[0], "~ 1 | g", subset=mask),
    ),
    "held ratios": (
        lambda: {"1": 2.0},
        lambda ratios: ratios.update({"1": 0.1}),
        lambda ratios: bayeslme.gls(
            "y ~ x", given()[0], weights=VarIdent(form="~ 1 | s", fixed=ratios)
        ),
    ),
    "priors": (
        lambda: {"fixef": {"x": "Normal(mu=0, sigma=1)"}},
        lambda priors: priors["fixef"].update(x="Normal(mu=9, sigma=0.01)"),
        lambda priors: bayeslme.lme("y ~ x", given()[0], "~ 1 | g", priors=priors),
    ),
    "response": (
        lambda: Y**2,
        lambda y: y.fill(1.0),
        lambda y: bayeslme.lme("y ~ x", given()[0], "~ 1 | g").refit(y),
    ),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_other_arguments_are_owned_as_well(name: str) -> None:
    make, change, use = ARGUMENTS[name]
    argument = make()
    fit, expected = use(argument), use(make())
    change(argument)
    assert str(fit.spec) == str(expected.spec)
    assert fit.residuals().equals(expected.residuals())
    assert str(fit.update(fixed=". ~ . + t")) == str(expected.update(fixed=". ~ . + t"))
