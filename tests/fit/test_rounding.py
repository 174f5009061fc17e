"""Changes that mathematics does not see: order of rows and groups, units, the last digit.

Every processor and every linear algebra library rounds in its own way. What these changes move, a
stranger's machine moves as well, so the tolerances here are what every other test can rely on.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from reference.corpus import load_frame

# A search ends where the gain still predicted is below 1e-9, which is sqrt(2e-9) = 4.5e-5 standard
# errors from the maximum; two searches may end on either side of it.
LOGLIK, ERRORS = 1e-8, 1e-4  # of its size; of a standard error
# Half a width is the root of a second difference: steps of 5e-4 standard errors, or of one unit of
# the interval scale, and values that are good to 1e-14 of the log-likelihood.
WIDTHS = 2e-3


@dataclass(frozen=True)
class Model:
    """A call, its grouping columns, the columns whose unit may be changed.

    `ordered` is set where the order of a group's rows stands for their times, or says which
    stratum has the variance that others are compared with.
    """

    call: str
    groups: tuple[str, ...]
    scaled: tuple[str, ...] = ()
    ordered: bool = False

    @property
    def response(self) -> str:
        return re.findall(r"\((\w+) ~", self.call)[0]

    @property
    def data(self) -> str:
        return re.findall(r", (\w+), ", self.call)[0]

    @property
    def ml(self) -> bool:
        return "'ML'" in self.call


MODELS = {
    "pdSymm": Model(
        "lme(distance ~ Sex * age, Orthodont, ~ age | Subject)", ("Subject",), ("age",)
    ),
    "two levels": Model(
        "lme(pixel ~ day + I(day^2), Pixel, list(Dog = ~ day, Side = ~ 1), method = 'ML')",
        ("Dog", "Side"),
        ("day",),
    ),
    "pdDiag": Model(
        "lme(Reaction ~ Days, sleepstudy, list(Subject = pdDiag(~ Days)))", ("Subject",), ("Days",)
    ),
    "pdCompSymm": Model(
        "lme(yield ~ nitro, Oats, list(Block = pdCompSymm(~ Variety - 1)))", ("Block",), ("nitro",)
    ),
    "perfect correlation": Model(
        "lme(current ~ voltage, Wafer, list(Wafer = pdIdent(~ voltage),"
        " Site = pdCompSymm(~ voltage)))",
        ("Wafer", "Site"),
    ),
    "pdBlocked": Model(
        "lme(score ~ Machine, Machines, list(Worker = pdBlocked(list(pdSymm(~ 1),"
        " pdDiag(~ Machine - 1)))))",
        ("Worker",),
    ),
    "variance of zero": Model(
        "lme(distance ~ Sex * I(age - 11), Orthodont, list(Subject = pdIdent(~ I(age - 11))),"
        " method = 'ML')",
        ("Subject",),
    ),
    "corAR1": Model(
        "lme(follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time), Ovary, ~ 1 | Mare,"
        " correlation = corAR1())",
        ("Mare",),
        ordered=True,
    ),
    "corARMA": Model(
        "gls(follicles ~ sin(2 * pi * Time), Ovary,"
        " correlation = corARMA(form = ~ 1 | Mare, p = 1, q = 1), method = 'ML')",
        ("Mare",),
        ordered=True,
    ),
    "corCAR1, varExp": Model(
        "lme(weight ~ Time * Diet, ChickWeight, ~ 1 | Chick,"
        " correlation = corCAR1(form = ~ Time | Chick), weights = varExp(form = ~ Time))",
        ("Chick",),
    ),
    "corCAR1 of a long unit": Model(
        "gls(follicles ~ sin(2 * pi * Time), Ovary,"
        " correlation = corCAR1(form = ~ I(Time / 40) | Mare))",
        ("Mare",),
    ),
    "corCompSymm": Model(
        "gls(distance ~ Sex * age, Orthodont, correlation = corCompSymm(form = ~ 1 | Subject))",
        ("Subject",),
        ("age",),
    ),
    "corSymm": Model(
        "gls(distance ~ Sex * factor(age), OrthVisit, correlation = corSymm(form = ~ visit |"
        " Subject), weights = varIdent(form = ~ 1 | age))",
        ("Subject",),
        ordered=True,
    ),
    "corExp": Model(
        "lme(protein ~ Diet, Milk, ~ 1 | Cow,"
        " correlation = corExp(form = ~ Time | Cow, nugget = TRUE))",
        ("Cow",),
    ),
    "corSpher, varPower": Model(
        "lme(weight ~ Time * Diet, BodyWeight, ~ Time | Rat, weights = varPower(form = ~ Time),"
        " correlation = corSpher(form = ~ Time))",
        ("Rat",),
    ),
    "corLin": Model(
        "gls(distance ~ Sex * I(age - 11), Orthodont,"
        " correlation = corLin(form = ~ age | Subject))",
        ("Subject",),
    ),
    "corGaus in space": Model(
        "gls(yield ~ 1, Wheat2, correlation = corGaus(form = ~ latitude + longitude | Block,"
        " nugget = TRUE))",
        ("Block",),
    ),
    "varPower of fitted values": Model(
        "lme(weight ~ Time + I(Time^2), Soybean, ~ 1 | Plot, weights = varPower())",
        ("Plot",),
        ("Time",),
    ),
    "varConstPower": Model(
        "gls(distance ~ Sex * I(age - 11), Orthodont, weights = varConstPower(power = 0.5,"
        " form = ~ age, fixed = list(const = 1)))",
        ("Subject",),
    ),
    "varComb": Model(
        "gls(distance ~ Sex * I(age - 11), Orthodont,"
        " weights = varComb(varIdent(form = ~ 1 | Sex), varExp(form = ~ age)))",
        ("Subject",),
    ),
}


def fit_of(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Any:
    model = MODELS[name]
    # rows by group as R has them; their order is one of the things to be changed
    frame = load_frame(model.data).reset_index(drop=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a variance of zero
        return bayeslme.translate(model.call).fit(change(frame))


@cache
def plain(name: str) -> Any:
    return fit_of(name, lambda frame: frame)


def compare(fit: Any, want: Any, units: dict[str, float] | None = None, gain: float = 0.0) -> None:
    """Every number of a fit against another one's.

    Parameters
    ----------
    units : dict of coefficient to float
        By how much a coefficient, and the standard deviation of its effect, is larger.
    gain : float
        By how much the log-likelihood is higher.
    """
    units = units or {}
    assert abs(fit.loglik - want.loglik - gain) <= LOGLIK * max(1.0, abs(want.loglik))
    for part, theirs in want.intervals().items():
        mine = fit.intervals()[part]
        assert set(mine.index) == set(theirs.index)
        for label, row in theirs.iterrows():
            unit = units.get(re.sub(r"^sd\((.*)\)$", r"\1", str(label)), 1.0)
            close(mine.loc[label], row * unit, f"{part} {label}")
    table, other = fit.anova(), want.anova()
    np.testing.assert_allclose(table["F-value"], other["F-value"], rtol=1e-4, atol=1e-6)
    # fitted values are known to a standard error of the coefficients; sigma is more than that
    fitted = fit.fitted().loc[want.fitted().index]
    np.testing.assert_allclose(fitted, want.fitted(), rtol=0, atol=ERRORS * want.sigma)


def close(mine: pd.Series, want: pd.Series, what: str) -> None:
    """An estimate in its standard errors, limits in widths; in sizes where there is no width."""
    got, goal = (one[["lower", "est.", "upper"]].to_numpy(float) for one in (mine, want))
    width = goal[2] - goal[0]
    size = width if np.isfinite(width) and width > 0 else abs(goal[1])
    room = size * np.array([WIDTHS, ERRORS / 4, WIDTHS]) + 1e-9
    known = np.isfinite(goal)
    assert np.array_equal(known, np.isfinite(got)), f"{what}: {got} for {goal}"
    assert np.all(np.abs(got - goal)[known] <= room[known]), f"{what}: {got} for {goal}"


@pytest.mark.parametrize("name", MODELS)
def test_rows_in_another_order(name: str) -> None:
    model = MODELS[name]

    def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
        order = np.random.default_rng(1).permutation(len(frame))
        if model.ordered:  # rows of one group keep their order, wherever they stand
            code = frame.groupby(list(model.groups), observed=True).ngroup().to_numpy()
            order[np.argsort(code[order], kind="stable")] = np.argsort(code, kind="stable")
        first = order == 0  # varIdent compares with its stratum
        return frame.iloc[np.concatenate([order[first], order[~first]])]

    compare(fit_of(name, shuffled), plain(name))


@pytest.mark.parametrize("name", MODELS)
def test_groups_in_another_order(name: str) -> None:
    rng = np.random.default_rng(2)

    def relabelled(frame: pd.DataFrame) -> pd.DataFrame:
        own = {g: frame[g].astype(str) for g in MODELS[name].groups}
        return frame.assign(
            **{g: pd.Categorical(v, rng.permutation(v.unique())) for g, v in own.items()}
        )

    compare(fit_of(name, relabelled), plain(name))


@pytest.mark.parametrize("name", MODELS)
def test_data_changed_in_the_last_place(name: str) -> None:
    model, rng = MODELS[name], np.random.default_rng(3)

    def nudged(frame: pd.DataFrame) -> pd.DataFrame:
        side = {
            c: rng.choice([-np.inf, np.inf], len(frame)) for c in (model.response, *model.scaled)
        }
        return frame.assign(
            **{c: np.nextafter(frame[c].to_numpy(float), s) for c, s in side.items()}
        )

    compare(fit_of(name, nudged), plain(name))


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.scaled])
def test_covariates_in_another_unit(name: str) -> None:
    model, want = MODELS[name], plain(name)
    factor = 1 / 3  # no power of two: every product is rounded
    fit = fit_of(name, lambda frame: frame.assign(**{c: frame[c] * factor for c in model.scaled}))
    change = np.linalg.lstsq(want.design.X, fit.design.X, rcond=None)[0]
    units = dict(zip(want.fixef.index, 1 / np.diag(change), strict=True))
    compare(fit, want, units, 0.0 if model.ml else -np.linalg.slogdet(change)[1])


@pytest.mark.parametrize("name", [name for name in MODELS if "fitted" not in name])
def test_the_response_in_another_unit(name: str) -> None:
    model, want, factor = MODELS[name], plain(name), 1 / 3
    fit = fit_of(name, lambda f: f.assign(**{model.response: f[model.response] * factor}))
    n, p = want.design.X.shape
    gain = -(n if model.ml else n - p) * np.log(factor)
    assert abs(fit.loglik - want.loglik - gain) <= LOGLIK * max(1.0, abs(want.loglik))
    np.testing.assert_allclose(
        fit.fitted() / factor, want.fitted(), rtol=0, atol=ERRORS * want.sigma
    )
    for part, table in want.intervals().items():
        for label, row in table.iterrows():
            own = part in ("corstruct", "varfunc") or str(label).startswith("cor")
            close(fit.intervals()[part].loc[label], row * (1 if own else factor), f"{part} {label}")
