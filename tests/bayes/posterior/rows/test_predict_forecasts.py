"""Predictions that condition on observed residuals, draw by draw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.bayes import settings
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.posterior.posterior import Posterior
from bayeslme.bayes.posterior.tree import build_tree
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.errors import BayesLMEError, DataError, FitError

CALLS = {
    "corAR1": "lme(distance ~ age, random = ~ 1 | Subject, correlation = corAR1(0.5))",
    "corCAR1": "lme(distance ~ age, random = ~ 1 | Subject, correlation = corCAR1(0.6, ~ age))",
    "corExp, nugget": "gls(distance ~ age, weights = varIdent(form = ~ 1 | Sex), "
    "correlation = corExp(c(4, 0.3), ~ age | Subject, nugget = TRUE))",
    "corARMA": "gls(distance ~ age, correlation = corARMA(c(0.5, 0.2), ~ 1 | Subject, p=1, q=1))",
    "corCompSymm": "gls(distance ~ age, correlation = corCompSymm(0.6, ~ 1 | Subject))",
}
PARAMETERS = {
    "corAR1": [0.5], "corCAR1": [0.6], "corExp, nugget": [4.0, 0.3], "corARMA": [0.5, 0.2],
    "corCompSymm": [0.6],
}  # fmt: skip


def held(call: str, row_values: list[float], data: Any, draws: int) -> Any:
    """A posterior whose row_values are all known: the estimates, random effects too."""
    fit: Any = bayeslme.translate(call).fit(data)
    parameters = build_parameters(fit.design)
    values = {"fixef": fit.fixef.to_numpy(), "sigma": np.array(fit.sigma)}
    values["corstruct"] = np.array(row_values)
    if parameters.varfunc is not None:
        values["varfunc"] = fit.weights_coef.to_numpy()
    effects = {}
    if parameters.levels:
        values["sd_Subject"] = fit.varcorr()["Subject"].sd.to_numpy()
        effects = {"Subject": np.broadcast_to(fit.ranef(), (1, draws, *fit.ranef().shape))}
    many = {k: np.broadcast_to(v, (1, draws, *v.shape)) for k, v in values.items()}
    priors = resolve_priors(parameters)
    tree = build_tree(parameters, priors, many, {}, seeds=(1, 2), route="held", effects=effects)
    return Posterior(tree, fit, parameters, priors)


def joint_normal(posterior: Any, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of new residuals over sigma, from the whole correlation matrix."""
    parameters = posterior.parameters
    data = pd.concat([posterior.fit.data, rows.assign(distance=20.0)], ignore_index=True)
    for name in ("Sex", "Subject"):
        data[name] = data[name].astype(posterior.fit.data[name].dtype)
    whole = build_parameters(posterior.fit.spec.fit(data).design)
    values = {k: v[:1] for k, v in posterior.values.items()}
    bound = whole.problem.correlation
    assert bound is not None
    par, var = whole.row_parameters(values)
    n = whole.problem.n
    white, _ = bound.structure.whiten_dense(np.eye(n)[None], par, bound.coords)
    C = np.empty((n, n))
    C[np.ix_(whole.problem.order, whole.problem.order)] = np.linalg.inv(white[0] @ white[0].T)
    sd = np.ones(n)
    if whole.problem.variance is not None:
        sd[whole.problem.order] = np.exp(
            whole.problem.variance.structure.log_sd(var, whole.problem.variance.coords)[0]
        )
    C = sd[:, None] * C * sd
    old, new = slice(0, parameters.problem.n), slice(parameters.problem.n, n)
    residual = posterior.residuals(draws=True).to_numpy()[0, 0]
    gain = np.linalg.solve(C[old, old], C[old, new]).T
    return gain @ residual, C[new, new] - gain @ C[old, new]


@pytest.mark.parametrize("name", CALLS)
def test_draws_have_the_conditional_distribution(name: str, orthodont: Any) -> None:
    posterior = held(CALLS[name], PARAMETERS[name], orthodont, 20_000)
    rows = pd.DataFrame(
        {"Subject": ["M01", "F01", "M01"], "Sex": ["Male", "Female", "Male"], "age": [16.0, 16, 18]}
    )
    mean, cov = joint_normal(posterior, rows)
    plain = posterior.predict(rows)
    expected = posterior.predict(rows, use_correlation=True)
    assert (expected - plain).to_numpy() == pytest.approx(mean, abs=1e-8)
    drawn = posterior.predict(rows, of="response", use_correlation=True, draws=True, seed=1)
    noise = drawn.to_numpy()[0] - expected.to_numpy()
    sigma = posterior.fit.sigma
    scale = sigma**2 * np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    assert np.abs(np.cov(noise.T) - sigma**2 * cov).max() < 0.05 * scale.max()
    free = posterior.predict(rows, of="response", draws=True, seed=2).to_numpy()[0]
    apart = np.corrcoef(free.T)
    assert abs(apart[0, 1]) < 0.03
    assert apart[0, 2] > 0.1  # two rows of one child, without the observed ones


def test_at_the_estimates_the_forecast_is_the_fit_s(orthodont: Any) -> None:
    call = CALLS["corCAR1"]
    fit: Any = bayeslme.translate(call).fit(orthodont)
    rows = pd.DataFrame({"Subject": ["M01", "M02"], "age": [15.0, 14.5]})
    posterior = held(call, fit.correlation_coef.to_list(), orthodont, 10)
    classical = fit.predict(rows, use_correlation=True)
    assert posterior.predict(rows, use_correlation=True).to_numpy() == pytest.approx(
        classical.to_numpy(), rel=1e-6
    )


def test_observed_positions_have_their_observations(orthodont: Any) -> None:
    posterior = held(CALLS["corCAR1"], [0.6], orthodont, 10)
    again = posterior.predict(orthodont.iloc[:6], use_correlation=True, interval=0.9, of="response")
    for column in again:
        assert again[column].to_numpy() == pytest.approx(orthodont["distance"].iloc[:6], abs=1e-5)


def test_an_autoregression_needs_its_neighbours_only(orthodont: Any) -> None:
    """The next row given 400 rows before it is the next row given the last one."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"t": np.arange(400.0), "y": rng.normal(size=400)})
    fit: Any = bayeslme.translate("gls(y ~ 1, correlation = corCAR1(form = ~ t))").fit(data)
    drawn = fit.sample(draws=50, seed=1)
    rows = pd.DataFrame({"t": [400.0, 17.5]})
    found = drawn.predict(rows, use_correlation=True, draws=True).to_numpy().reshape(-1, 2)
    phi, mean = drawn.values["corstruct"][:, 0], drawn.values["fixef"][:, 0]
    y = data["y"].to_numpy()
    assert found[:, 0] == pytest.approx(mean + phi * (y[399] - mean))
    half = np.sqrt(phi)
    weight = half * (1 - phi) / (1 - phi**2)
    assert found[:, 1] == pytest.approx(mean + weight * (y[17] + y[18] - 2 * mean))


def test_new_data_without_the_columns_of_the_structure(orthodont: Any) -> None:
    posterior = held(CALLS["corCompSymm"], [0.6], orthodont, 50)
    rows = pd.DataFrame({"age": [8.0, 9.0]})
    assert posterior.predict(rows, of="response", draws=True).shape == (1, 50, 2)
    with pytest.raises(DataError, match="'Subject'"):
        posterior.predict(rows, use_correlation=True)


def test_rows_beyond_what_a_negative_correlation_reaches_are_refused(orthodont: Any) -> None:
    posterior = held(CALLS["corCompSymm"], [-0.3], orthodont, 5)
    rows = pd.DataFrame({"age": [16.0, 18.0], "Subject": ["M01", "M01"]})
    with pytest.raises(FitError, match="corCompSymm: at some draws") as error:
        posterior.predict(rows, of="response", use_correlation=True)
    assert len(str(error.value)) <= 300


def test_many_rows_are_worked_off_in_pieces(
    collapsed: Any, orthodont: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = collapsed.predict(orthodont, interval=0.9)
    monkeypatch.setattr(
        settings, "POSTERIOR", replace(settings.POSTERIOR, rows_of_draws_per_batch=7e4)
    )  # 7 rows
    pd.testing.assert_frame_equal(collapsed.predict(orthodont, interval=0.9), whole)
    monkeypatch.setattr(settings, "POSTERIOR", replace(settings.POSTERIOR, max_bytes=1e6))
    with pytest.raises(BayesLMEError, match="predict at most 12 rows at a time"):
        collapsed.predict(orthodont, draws=True)
