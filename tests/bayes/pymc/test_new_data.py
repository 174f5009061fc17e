"""Models that live on: interventions, copies, and other rows and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.bayes.density import by_group, given_effects_by_group
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.data.design import build
from bayeslme.errors import DataError, SpecError

pytestmark = [
    pytest.mark.pymc,
    pytest.mark.usefixtures("fast_compile"),
    pytest.mark.filterwarnings("ignore:Numba will use object mode:UserWarning"),
]


def rows(groups: int, sizes: tuple[int, ...], seed: int) -> pd.DataFrame:
    """Groups of unequal sizes with subgroups, items that cross them, strata and covariates."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), np.resize(sizes, groups))
    n = len(g)
    return pd.DataFrame(
        {
            "g": pd.Series([f"g{seed}{k}" for k in g]),
            "h": pd.Series([f"h{k}" for k in np.arange(n) // 2 % 3]),
            "item": pd.Series([f"i{k}" for k in np.arange(n) % 4]),
            "s": pd.Series(np.where(g % 2 == 0, "a", "b")),  # the first group has the first stratum
            "x": rng.standard_normal(n),
            "v": rng.uniform(1.0, 3.0, n),
            "y": 20.0 + rng.standard_normal(n),
        }
    ).sample(frac=1.0, random_state=seed)


BOTH = {
    "lm": "lm(y ~ x)",
    "gls": "gls(y ~ x + offset(v), weights = varIdent(form = ~ 1 | s))",
    "slopes": "lme(y ~ x, random = ~ x | g, weights = varPower(form = ~ v | s))",
    "three effects": "lme(y ~ x, random = ~ x + v | g, weights = varFixed(~ v))",
    "nested": "lme(y ~ x, random = list(g = ~ x, h = ~ 1), weights = varComb("
    "varIdent(form = ~ 1 | s), varExp(form = ~ v)))",
    "blocks": "lme(y ~ x, random = list(g = pdBlocked(list(pdIdent(~ 1), pdSymm(~ x + v - 1)))))",
    "nothing fixed": "lme(y ~ 0, random = ~ 1 | g, weights = varConstPower(form = ~ v))",
}
HIERARCHICAL = {
    "fitted": "lme(y ~ x, random = list(g = ~ 1, h = ~ 1), weights = varPower())",
    "fitted outside": "lme(y ~ x, random = list(g = ~ x, h = ~ 1), "
    "weights = varConstProp(form = ~ fitted(., level = 1)))",
    "fitted gls": "gls(y ~ x, weights = varExp(form = ~ fitted(.) | s))",
    "crossed": "lmer(y ~ x + (x | g) + (1 | item))",
}
CASES = [
    *((kind, call, form) for kind, call in BOTH.items() for form in ("marginal", "hierarchical")),
    *((kind, call, "hierarchical") for kind, call in HIERARCHICAL.items()),
]
SOON = {"gls marginal", "nested marginal", "nested hierarchical", "fitted hierarchical"}


def natural_point(model: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A point of the model as it is now, and natural values of it with one leading axis."""
    from bayeslme.bayes.pymc.nuts import natural_values

    rng = np.random.default_rng(7)
    start = model.initial_point()
    point = {k: v + 0.1 * rng.standard_normal(np.shape(v)) for k, v in start.items()}
    flat = np.concatenate([np.ravel(v) for v in point.values()])
    return point, {k: np.asarray(v)[None] for k, v in natural_values(model, flat).items()}


def density_of_y(model: Any) -> Any:
    """Compiled once: other rows need no new compilation."""
    density = model.logp(vars=model.observed_RVs, jacobian=False)
    return model.compile_fn(density, inputs=model.value_vars, on_unused_input="ignore")


def engine_s_density(spec: Any, data: pd.DataFrame, values: dict[str, Any], form: str) -> float:
    """Of the same values by the engine, from a design of the new data."""
    parameters = build_parameters(build(spec, data))
    values = {"fixef": np.zeros((1, 0)), **values}
    independent = not parameters.levels and not parameters.problem.needs_fitted_values
    if form == "marginal" or independent:
        return float(by_group(parameters, values).sum())
    factors = {one.key: np.swapaxes(one.factor(values), -1, -2) for one in parameters.levels}
    effects = {k: values[f"z_{k}"] @ f for k, f in factors.items()}
    return float(given_effects_by_group(parameters, values, effects).sum())


@pytest.mark.parametrize(
    ("call", "form"),
    [
        pytest.param(
            *(call, form),
            id=f"{kind} {form}",
            marks=() if f"{kind} {form}" in SOON else pytest.mark.slow,
        )
        for kind, call, form in CASES
    ],
)
@pytest.mark.filterwarnings("ignore::bayeslme.errors.IdentificationWarning")
def test_new_rows_and_groups_have_the_engine_s_density(call: str, form: str) -> None:
    import pymc as pm

    first, second = rows(6, (7, 3, 9), 1), rows(9, (4, 8), 2)
    spec = bayeslme.translate(call)
    model = spec.to_pymc(first, form=form, priors="flat")
    assert "mu" in {variable.name for variable in model.deterministics}
    density = density_of_y(model)
    for data in (first, second, first):
        pm.set_data(**spec.pymc_data(data, model))
        assert list(model.coords["row"]) == list(data.index)
        point, values = natural_point(model)
        expected = engine_s_density(spec, data.copy(), values, form)
        assert density(point) == pytest.approx(expected, rel=1e-9)


def test_interventions_and_copies_keep_what_new_rows_need() -> None:
    """The density of a copy with other rows is the one of the model with these rows."""
    import pymc as pm

    first, second = rows(6, (7, 3, 9), 1), rows(9, (4, 8), 2)
    spec = bayeslme.translate(BOTH["nested"])
    model = spec.to_pymc(first)
    start = model.initial_point()
    changed: dict[str, Callable[[], Any]] = {
        "do": lambda: pm.do(model, {"sigma": 20.0}),
        "observe": lambda: pm.observe(model, {"sigma": 20.0}),
        "copy": model.copy,
    }
    for name, change in changed.items():
        other = change()
        pm.set_data(**spec.pymc_data(second, other))
        assert other["mu"].eval({other["fixef"]: np.array([1.0, 0.5])}) == pytest.approx(
            1.0 + 0.5 * second["x"].to_numpy()
        )
        assert ("sigma" in {v.name for v in other.free_RVs}) == (name == "copy")
        for variable, value in other.initial_point().items():
            assert value == pytest.approx(start[variable])
    assert len(model["X"].get_value()) == len(first)  # copies have data of their own


@pytest.mark.parametrize("form", ["marginal", "hierarchical"])
def test_an_intervention_on_the_mean_reaches_the_response(form: str) -> None:
    import pymc as pm

    data = rows(6, (7, 3, 9), 1)
    for call in (BOTH["slopes"], "lme(y ~ x, random = ~ 1 | g, correlation = corAR1())"):
        model = bayeslme.translate(call).to_pymc(data, form=form)
        moved = pm.do(model, {"mu": np.full(len(data), 1e6)})
        y = pm.draw(moved["y"], random_seed=1)
        assert np.all(np.abs(y - 1e6) < 1e5)


def test_draws_of_known_groups_keep_their_effects() -> None:
    """Predictive draws of known groups use the draws of their effects."""
    import pymc as pm
    import xarray as xr

    data = rows(6, (7,), 1)
    spec = bayeslme.translate("lme(y ~ 1, random = ~ 1 | g)")
    model = spec.to_pymc(data, form="hierarchical")
    groups = list(model.coords["g"])
    effects = 100.0 * np.arange(6.0)[:, None]
    draws = {
        "fixef": (("chain", "draw", "term"), np.full((1, 20, 1), 5.0)),
        "sd_g": (("chain", "draw", "g_effect"), np.ones((1, 20, 1))),
        "sigma": (("chain", "draw"), np.full((1, 20), 0.01)),
        "z_g": (("chain", "draw", "g", "g_effect"), np.broadcast_to(effects, (1, 20, 6, 1))),
    }
    coords = {"g": groups, "term": ["(Intercept)"], "g_effect": ["(Intercept)"]}
    trace = pm.sample_prior_predictive(1, model=model, random_seed=1)  # for its constant_data
    trace["posterior"] = xr.Dataset(draws, coords=coords)
    known = data[data["g"].isin(groups[3:5])].drop(columns="y")
    options: dict[str, Any] = {"random_seed": 1, "progressbar": False, "model": model}
    pm.set_data(**spec.pymc_data(known, model))
    found = pm.sample_posterior_predictive(trace, predictions=True, **options)
    y = found["predictions"]["y"].to_numpy()[0]
    expected = 5.0 + 100.0 * known["g"].map(groups.index).to_numpy()
    assert y == pytest.approx(np.broadcast_to(expected, y.shape), abs=0.1)
    pm.set_data(**spec.pymc_data(known.assign(g="another"), model))
    options["sample_vars"] = ["z_g", "y"]
    found = pm.sample_posterior_predictive(trace, predictions=True, **options)
    y = found["predictions"]["y"].to_numpy()[0]
    assert np.std(y[:, 0]) == pytest.approx(1.0, abs=0.5)  # sd_g: drawn anew in every draw
    assert np.all(np.abs(y - 5.0) < 6.0)


def test_without_a_response_nothing_can_be_fitted() -> None:
    import pymc as pm

    data = rows(6, (7, 3, 9), 1)
    spec = bayeslme.translate(BOTH["slopes"])
    model = spec.to_pymc(data)
    pm.set_data(**spec.pymc_data(data.drop(columns="y"), model))
    point, _ = natural_point(model)
    assert np.isnan(density_of_y(model)(point))


def test_what_cannot_be_exchanged_is_said() -> None:
    import pymc as pm

    data = rows(6, (7, 3, 9), 1)
    call = "gls(y ~ x, correlation = corAR1(form = ~ 1 | g))"
    spec = bayeslme.translate(call)
    with pytest.raises(SpecError, match="correlation: the groups and times of corAR1"):
        spec.pymc_data(data, spec.to_pymc(data))
    spec = bayeslme.translate("lmer(y ~ x + (1 | g) + (1 | item))")
    with pytest.raises(SpecError, match="crossed random effects that are integrated out"):
        spec.pymc_data(data, spec.to_pymc(data))
    labels = [*data["g"].unique(), "relative"]
    related = bayeslme.PdKnown(pd.DataFrame(np.eye(len(labels)), labels, labels))
    spec = bayeslme.lme("y ~ x", data, random={"g": related}).spec
    model = spec.to_pymc(data, form="hierarchical")
    assert "g_code" in spec.pymc_data(data[:3], model)["new_data"]
    for stranger in ("relative", "unknown"):
        with pytest.raises((SpecError, DataError), match="'g'"):
            spec.pymc_data(data.assign(g=stranger), model)
    spec = bayeslme.translate(BOTH["slopes"])
    model = spec.to_pymc(data)
    wrong: list[tuple[Any, type[Exception], str]] = [
        (data.assign(x=np.nan), DataError, "the fixed effects is missing"),
        (data.assign(s="c"), DataError, "stratum of the variance is none of a, b"),
        (data.assign(y=np.inf), DataError, "the response is not a finite number"),
        (data.drop(columns="x"), DataError, "x"),
        (data.assign(g=None), DataError, "'g' is missing"),
        (data[:0], DataError, "no rows"),
    ]
    for newdata, error, message in wrong:
        with pytest.raises(error, match=message):
            spec.pymc_data(newdata, model)
    with pytest.raises(SpecError, match="another specification"):
        bayeslme.translate(BOTH["lm"]).pymc_data(data, model)
    with pm.Model() as own:
        pm.Data("X", [1.0])
    with pytest.raises(SpecError, match="not made by to_pymc"):
        spec.pymc_data(data, own)


def test_another_likelihood_and_a_potential() -> None:
    """As docs/pymc.md has it: the density is that of the definition, and rows can be exchanged."""
    import pymc as pm
    from scipy import stats

    first, second = rows(6, (7, 3, 9), 1), rows(9, (4, 8), 2)
    spec = bayeslme.translate("lme(y ~ x, random = ~ 1 | g)")
    model = spec.to_pymc(first, form="hierarchical", priors="flat")
    with pm.do(model, {"y": model["y_observed"].get_value()}) as robust:
        pm.StudentT(
            "y_student",
            nu=4.0,
            mu=robust["mu"],
            sigma=robust["sigma"],
            observed=robust["y_observed"],
            dims="row",
        )
        pm.Potential("soft", -100.0 * robust["ranef_g"].sum() ** 2)
    assert [v.name for v in robust.observed_RVs] == ["y_student"]
    density = density_of_y(robust)
    term = robust.logp(vars=robust.potentials)
    penalty = robust.compile_fn(term, inputs=robust.value_vars, on_unused_input="ignore")
    for data in (first, second):
        pm.set_data(**spec.pymc_data(data, robust))
        point, values = natural_point(robust)
        code = data["g"].map({g: k for k, g in enumerate(robust.coords["g"])}).to_numpy()
        b = values["sd_g"][0, 0] * values["z_g"][0, :, 0]
        mean = values["fixef"][0] @ np.stack([np.ones(len(data)), data["x"]]) + b[code]
        expected = stats.t.logpdf(data["y"], 4.0, mean, values["sigma"][0]).sum()
        assert density(point) == pytest.approx(expected, rel=1e-9)
        assert float(penalty(point)) == pytest.approx(-100.0 * b.sum() ** 2)
