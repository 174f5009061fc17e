"""Models handed to bambi have the same density; what bambi cannot say is refused by name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayeslme as bl
from bayeslme.bayes.bambi.terms import translate
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.data.design import build
from bayeslme.errors import IdentificationWarning
from reference.corpus import FIT_FAMILIES, family, load_frame

RAW = {"fixef": {"(Intercept)": "Normal(mu=20, sigma=10)"}}


def formulas(call: str, data: str | pd.DataFrame) -> tuple[str, ...]:
    frame = bl.load_data(data) if isinstance(data, str) else data
    return translate(build_parameters(build(bl.translate(call), frame))).formulas


@pytest.mark.parametrize(
    ("call", "data", "expected"),
    [
        (
            "lme(distance ~ Sex * I(age - 11), random = ~ 1 | Subject)",
            "Orthodont",
            "distance ~ 1 + Sex + I(age - 11) + Sex:I(age - 11) + (1|Subject)",
        ),
        (
            "lme(distance ~ 0 + Sex + log(age), random = list(Subject = pdDiag(~ age)))",
            "Orthodont",
            "distance ~ 0 + Sex + np.log(age) + (1 + age|Subject)",
        ),
        (
            "lme(yield ~ factor(nitro), random = ~ 1 | Block/Variety)",
            "Oats",
            "yield ~ 1 + C(nitro) + (1|Block) + (1|Block:Variety)",
        ),
        (
            "lme(strength ~ 1, random = ~ 1 | batch/sample)",
            "Pastes",
            "strength ~ 1 + (1|batch) + (1|sample)",
        ),
        (
            "gls(sqrt(distance) ~ poly(age, 2) + I(-(age - 11)^2 / (2 * age)))",
            "Orthodont",
            "np.sqrt(distance) ~ 1 + poly(age, 2) + I(np.divide(-((age - 11) ** 2), 2 * age))",
        ),
        (
            "lm(distance/10 ~ sin(2 * pi * age / 1e-3) + pmax(age, 11) + I(age > 9))",
            "Orthodont",
            "np.divide(distance, 10) ~ 1 + np.sin(np.divide(2 * pi * age, 0.001))"
            " + np.maximum(age, 11) + I(age > 9)",
        ),
    ],
)
def test_formula(call: str, data: str, expected: str) -> None:
    assert formulas(call, data) == (expected,)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("varIdent(form = ~ 1 | Sex)", "sigma ~ 1 + Sex"),
        ("varPower(form = ~ age)", "sigma ~ 1 + np.log(np.abs(age))"),
        ("varExp(form = ~ age)", "sigma ~ 1 + age"),
        ("varExp(form = ~ age / 2)", "sigma ~ 1 + I(np.divide(age, 2))"),
        ("varFixed(~ age)", "sigma ~ 1 + offset(np.log(age) / 2)"),
    ],
)
def test_formula_of_sigma(weights: str, expected: str) -> None:
    assert formulas(f"gls(distance ~ age, weights = {weights})", "Orthodont")[1] == expected


def test_names_that_formulae_cannot_read_are_quoted() -> None:
    frame = bl.load_data("Orthodont").rename(columns={"distance": "a distance", "age": "_age"})
    text = formulas("lme(`a distance` ~ I(`_age` - 11), random = ~ 1 | Subject)", frame)[0]
    assert text == "`a distance` ~ 1 + I(`_age` - 11) + (1|Subject)"


@pytest.mark.pymc
@pytest.mark.parametrize("name", ["a|b", "a/b", "sigma", "mu", "Intercept"])
def test_names_that_bambi_cannot_have_are_refused(name: str) -> None:
    frame = bl.load_data("Orthodont").rename(columns={"age": name})
    with pytest.raises(bl.SpecError, match=f"'{re.escape(name)}'.*rename"):
        bl.translate(f"lm(distance ~ `{name}`)").to_bambi(frame)


@pytest.mark.pymc
def test_terms_that_bambi_takes_for_one_are_refused() -> None:
    """Formulae prints both without brackets."""
    with pytest.raises(bl.SpecError, match="two of them alike"):
        bl.translate("lm(distance ~ I((age - 11)^2) + I(age - 11^2))").to_bambi(
            bl.load_data("Orthodont")
        )


def test_reference_stratum_is_the_first_in_the_data() -> None:
    frame = bl.load_data("Orthodont")[::-1]
    text = formulas("gls(distance ~ age, weights = varIdent(form = ~ 1 | Sex))", frame)[1]
    assert text == "sigma ~ 1 + T(Sex, 'Female')"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            "lme(distance ~ age, random = ~ age | Subject)",
            ("Subject", "pdLogChol", "PdDiag('~age')"),
        ),
        ("lme(distance ~ age, random = list(Subject = pdIdent(~ age)))", ("pdIdent", "PdDiag")),
        ("lme(distance ~ 1, random = list(Subject = pdCompSymm(~ age)))", ("pdCompSymm",)),
        ("gls(distance ~ age, correlation = corAR1(form = ~ 1 | Subject))", ("corAR1", "to_pymc")),
        ("gls(distance ~ age, weights = varPower())", ("varPower", "fitted values")),
        ("gls(distance ~ age, weights = varPower(form = ~ age | Sex))", ("varPower", "strata")),
        ("gls(distance ~ age, weights = varPower(form = ~ age, fixed = 1))", ("held",)),
        ("gls(distance ~ age, weights = varIdent(form = ~ 1 | Sex * age))", ("several factors",)),
        (
            "gls(distance ~ age, weights = varIdent(form = ~ 1 | Sex, fixed = c(Female = 0.5)))",
            ("varIdent", "held"),
        ),
        ("gls(distance ~ age, weights = varConstPower(form = ~ age))", ("varConstPower",)),
        (
            "gls(distance ~ age,"
            " weights = varComb(varIdent(form = ~ 1 | Sex), varExp(form = ~ age)))",
            ("varComb", "product"),
        ),
        ("lmList(distance ~ age | Subject)", ("lmList",)),
        ("lm(distance ~ cut(age, c(7, 10, 15)))", ("cut(age, c(7, 10, 15))", "column")),
        ("lm(distance ~ Sex, contrasts = list(Sex = contr.sum))", ("Sex", "treatment")),
        ("lm(distance ~ 0 + I(age * 0 + 1))", ("constant",)),
    ],
)
def test_what_bambi_cannot_say_is_named(call: str, words: tuple[str, ...]) -> None:
    with pytest.raises(bl.SpecError) as caught:
        bl.translate(call).to_bambi(bl.load_data("Orthodont"))
    message = str(caught.value)
    assert all(word in message for word in ("to_bambi", *words)), message
    assert len(message) <= 300


def unequal() -> pd.DataFrame:
    """Two factors, neither with its levels in alphabetical order; the response lacks two rows."""
    rng = np.random.default_rng(7)
    n = 60
    frame = pd.DataFrame(
        {
            "a": pd.Categorical(rng.choice(["z", "m", "b"], n), categories=["z", "m", "b"]),
            "b": pd.Categorical(rng.choice(["q", "p"], n), categories=["q", "p"]),
            "x": rng.uniform(1, 5, n),
            "g": rng.integers(1, 7, n),
            "h": rng.integers(1, 4, n),
        }
    )
    frame["y"] = frame["x"] + rng.normal(size=n)
    frame.loc[[3, 17], "y"] = np.nan
    return frame


def natural_values(rng: np.random.Generator, parameters: Any) -> dict[str, np.ndarray]:
    """Arbitrary values of our parameters, each in its interval."""
    out = {}
    for block in parameters.blocks:
        k = len(block.coefs)
        real = np.isinf(block.lower[0])
        out[block.name] = rng.normal(0.2, 0.3, k) if real else rng.uniform(0.5, 2.0, k)
    return out


def levels_of(name: str, labels: Sequence[str]) -> str:
    """What bambi calls the coefficient with an R name: "am:bp" of a:b is "m, p"."""
    parts = [part.removeprefix(v) for part, v in zip(name.split(":"), labels, strict=True)]
    return ", ".join(part for part in parts if part)


def in_bambis_order(term: Any, names: Sequence[str], labels: Sequence[str]) -> list[int]:
    """Positions among R's names of the coefficients of one of bambi's terms."""
    if not term.categorical or len(names) == 1:
        return list(range(len(names)))
    levels = next(v for k, v in term.coords.items() if not k.endswith("__factor_dim"))
    return [[levels_of(n, labels) for n in names].index(level) for level in levels]


def by_term(matrix: Any) -> dict[str, tuple[list[int], list[str]]]:
    """R's terms: their columns and the labels of their variables."""
    labels = ["(Intercept)", *matrix.terms.labels]
    return {
        labels[k]: (np.flatnonzero(matrix.assign == k).tolist(), labels[k].split(":"))
        for k in np.unique(matrix.assign)
    }


def fixed_point(model: Any, design: Any, beta: np.ndarray) -> dict[str, np.ndarray]:
    mu, terms = model.parameters["mu"], by_term(design.matrix)
    point = {}
    if "(Intercept)" in terms:
        terms.pop("(Intercept)")
        shift = design.X.mean(axis=0)[1:] @ beta[1:] if model.center_predictors else 0.0
        point["Intercept"] = np.array(beta[0] + shift)
    for (name, term), (columns, labels) in zip(
        mu.common_terms.items(), terms.values(), strict=True
    ):
        order = in_bambis_order(term, [design.x_names[j] for j in columns], labels)
        value = beta[columns][order]
        point[name] = value if term.coords else value[0]
    return point


def random_point(
    rng: np.random.Generator, model: Any, parameters: Any, values: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Bambi's standard deviations and offsets, and the linear predictor of the random part."""
    terms = iter(model.parameters["mu"].group_specific_terms.items())
    point, eta = {}, np.zeros(len(parameters.design.y))
    for level, matrix in zip(parameters.levels, parameters.design.random_matrices, strict=True):
        own, sd = level.level, values[level.sd.name]
        v = rng.normal(size=(len(own.labels), len(own.effects)))
        eta += np.sum(own.Z * (v * sd)[own.code], axis=1)
        start = 0
        for part in getattr(matrix, "parts", (matrix,)):
            for columns, labels in by_term(part).values():
                name, term = next(terms)
                at = [start + j for j in columns]
                order = in_bambis_order(term, [own.effects[j] for j in at], labels)
                at = [at[j] for j in order]
                offset = rng.normal(size=(len(term.groups), len(at)))
                offset[term.group_index] = v[own.code][:, at]
                many = len(term.coords) > 1
                point[f"{name}_offset"] = offset if many else offset[:, 0]
                point[f"{name}_sigma"] = sd[at] if many else sd[at[0]]
            start += len(part.names)
    assert next(terms, None) is None
    return point, eta


def residual_point(
    model: Any, parameters: Any, values: dict[str, np.ndarray]
) -> tuple[dict, float]:
    """Bambi's parameters of sigma, and the log Jacobian of those that are logs."""
    if parameters.sigma is None:
        return {}, 0.0
    if parameters.design.spec.weights is None:
        return {"sigma": values["sigma"][0]}, 0.0
    sigma, ratios = values["sigma"][0], values.get("varfunc", np.ones(0))
    point = {"sigma_Intercept": np.log(sigma)}
    jacobian = np.log(sigma)
    is_ratio = parameters.design.spec.weights.r_name == "varIdent"
    for name, term in model.parameters["sigma"].common_terms.items():
        if is_ratio:
            levels = next(iter(term.coords.values()))
            ratios = ratios[[parameters.varfunc.coefs.index(str(level)) for level in levels]]
            jacobian += np.sum(np.log(ratios))
        value = np.log(ratios) if is_ratio else ratios
        point[f"sigma_{name}"] = value if term.coords else value[0]
    return point, jacobian


def log_sd(parameters: Any, values: dict[str, np.ndarray]) -> np.ndarray:
    bound = parameters.problem.variance
    base = np.log(parameters.held_sigma or values["sigma"][0])
    if bound is None:
        return np.full(len(parameters.design.y), base)
    par = parameters.row_parameters(values)[1]
    return base + bound.structure.log_sd(np.asarray(par), parameters.design.variance[0])


def transformed(model: Any, point: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The point on PyMC's unconstrained scale; every free variable is in it, and nothing else."""
    pymc = model.backend.model
    assert {rv.name for rv in pymc.free_RVs} == set(point)
    out = {}
    for rv in pymc.free_RVs:
        transform, value = pymc.rvs_to_transforms[rv], np.asarray(point[rv.name], dtype=float)
        if transform is not None:
            value = transform.forward(value, *rv.owner.inputs).eval()
        out[pymc.rvs_to_values[rv].name] = value
    return out


@pytest.mark.pymc
@pytest.mark.parametrize(
    ("call", "data", "priors"),
    [
        ("lme(distance ~ Sex + age, random = ~ 1 | Subject)", "Orthodont", None),
        ("lme(distance ~ Sex * age, random = ~ 1 | Subject)", "Orthodont", None),
        ("lme(distance ~ Sex * age, random = ~ 1 | Subject)", "Orthodont", RAW),
        (
            "lme(distance ~ Sex * age, random = list(Subject = pdDiag(~ age)),"
            " weights = varIdent(form = ~ 1 | Sex))",
            "Orthodont",
            None,
        ),
        (
            "lme(distance ~ 0 + Sex + age,"
            " random = list(Subject = pdBlocked(list(~ 1, ~ 0 + age))))",
            "Orthodont",
            {
                "fixef": "StudentT(nu=4, mu=1, sigma=[10, 20, 5])",
                "sd_Subject": "Normal(mu=1, sigma=2)",
            },
        ),
        ("lme(yield ~ nitro + Variety, random = ~ 1 | Block/Variety)", "Oats", None),
        ("lme(y ~ a * b + x, random = list(g = pdDiag(~ a)))", unequal(), None),
        (
            "lme(y ~ b + a:b, random = ~ 1 | g/h, weights = varIdent(form = ~ 1 | a))",
            unequal(),
            {"varfunc": "LogNormal(mu=0, sigma=[1, 0.5])", "sigma": "HalfNormal(sigma=3)"},
        ),
        (
            "gls(y ~ b, weights = varPower(form = ~ x))",
            unequal(),
            {"varfunc": "Normal(mu=1, sigma=0.5)", "sigma": "Gamma(alpha=2, beta=1)"},
        ),
        ("gls(y ~ x, weights = varIdent(form = ~ 1 | b))", unequal().sort_values("b")[::-1], None),
        ("gls(y ~ b, weights = varExp(form = ~ x))", unequal(), {"sigma": "Exponential(lam=2)"}),
        ("gls(y ~ b, weights = varFixed(~ x))", unequal(), {"fixef": "Laplace(mu=0, b=2)"}),
        (
            "gls(log(x) ~ factor(h), weights = varIdent(form = ~ 1 | h))",
            unequal(),
            {"varfunc": "HalfNormal(sigma=2)", "sigma": "Uniform(lower=0.1, upper=9)"},
        ),
        (
            "lme(y ~ x, random = ~ 1 | g, control = list(sigma = 1.5))",
            unequal(),
            {"sd_g": "Uniform(lower=-1, upper=20)", "fixef": {"x": "Cauchy(alpha=0, beta=2)"}},
        ),
        ("gls(y/2 ~ poly(x, 2) + I((x - 1)^2 * x) + I(1 / x):b)", unequal(), "flat"),
    ],
)
def test_density_is_equal(call: str, data: str | pd.DataFrame, priors: object) -> None:
    """Bambi's log density at arbitrary points is that of our priors and of the normal model."""
    frame = bl.load_data(data) if isinstance(data, str) else data
    spec = replace(bl.translate(call), na_action="omit")
    parameters = build_parameters(build(spec, frame))
    resolved = resolve_priors(parameters, priors)  # type: ignore[arg-type]
    model = spec.to_bambi(frame, priors=priors)
    model.build()
    compiled = model.backend.model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    rng = np.random.default_rng(1)
    for _ in range(3):
        values = natural_values(rng, parameters)
        random, eta = random_point(rng, model, parameters, values)
        residual, jacobian = residual_point(model, parameters, values)
        mean = parameters.design.X @ values["fixef"] + eta
        expected = sum(np.sum(v) for v in resolved.log_density(values).values()) + jacobian
        expected += sum(stats.norm.logpdf(v).sum() for k, v in random.items() if "_offset" in k)
        expected += stats.norm.logpdf(
            parameters.design.y, mean, np.exp(log_sd(parameters, values))
        ).sum()
        point = fixed_point(model, parameters.design, values["fixef"]) | random | residual
        assert float(compiled(transformed(model, point))) == pytest.approx(expected, rel=1e-9)


@pytest.mark.pymc
@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_every_reference_case_is_built_or_refused(every: int) -> None:
    """Of the stored calls of nlme those within bambi's reach become models; no other error."""
    cases = [case for name in FIT_FAMILIES for case in family(name) if case["is_source_method"]]
    built = 0
    for case in cases[::every]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IdentificationWarning)
            warnings.filterwarnings("ignore", "contrasts: ")
            spec = bl.translate(case["call"], contrasts=tuple(case["contrasts"]))
            try:
                spec.to_bambi(load_frame(case["data"])).build()
            except bl.BayesLMEError as error:
                assert spec.correlation is None or "correlation" in str(error)
            else:
                built += 1
    assert built >= 50 // every


def moments(draws: Any) -> pd.DataFrame:
    """Mean, sd and Monte Carlo error of arrays (chain, draw, ...), one row a number."""
    import arviz as az

    rows = {}
    for name, array in draws.items():
        flat = np.asarray(array).reshape(*np.shape(array)[:2], -1)
        for k in range(flat.shape[2]):
            error = float(az.mcse(flat[:, :, k]))
            rows[f"{name}{k}"] = (flat[:, :, k].mean(), flat[:, :, k].std(), error)
    return pd.DataFrame(rows, index=["mean", "sd", "mcse"]).T


@pytest.mark.slow
@pytest.mark.pymc
def test_posterior_is_equal() -> None:
    """NUTS in bambi and NUTS with the random effects integrated out, under equal priors."""
    data = bl.load_data("Orthodont")
    spec = bl.translate("lme(distance ~ I(age - 11), random = ~ 1 | Subject)")
    model = spec.to_bambi(data, priors=RAW)
    assert not model.center_predictors
    options = {"draws": 1000, "tune": 1000, "chains": 4, "cores": 1, "progressbar": False}
    theirs = model.fit(**options, random_seed=1)["posterior"]
    posterior = spec.fit(data).sample(
        draws=1000, chains=4, method="nuts", priors=RAW, seed=2, progress=False
    )
    ours = posterior.data["posterior"]
    bambi = moments(
        {
            "intercept": theirs["Intercept"],
            "slope": theirs["I(age - 11)"],
            "sd": theirs["1|Subject_sigma"],
            "sigma": theirs["sigma"],
            "ranef": theirs["1|Subject"],
        }
    )
    own = moments(
        {
            "intercept": ours["fixef"][..., 0],
            "slope": ours["fixef"][..., 1],
            "sd": ours["sd_Subject"],
            "sigma": ours["sigma"],
            "ranef": ours["ranef_Subject"],
        }
    )
    assert list(theirs["Subject__factor_dim"].values) == list(ours["Subject"].values)
    z = (bambi["mean"] - own["mean"]) / np.hypot(bambi["mcse"], own["mcse"])
    assert z.abs().max() < 4, z
    assert (bambi["sd"] / own["sd"] - 1).abs().max() < 0.1


def test_a_penalised_complexity_prior_is_an_exponential_one(orthodont: pd.DataFrame) -> None:
    spec = bl.translate("lme(distance ~ age, random = ~ 1 | Subject)")
    model = spec.to_bambi(orthodont, priors={"sd_Subject": "PC(upper=5)", "sigma": "PC(3, 0.1)"})
    sigma = model.marginal_parameters["sigma"].prior
    assert (sigma.name, sigma.args["lam"]) == ("Exponential", pytest.approx(-np.log(0.1) / 3))
    hyper = model.parameters["mu"].group_specific_terms["1|Subject"].prior.args["sigma"]
    assert (hyper.name, hyper.args["lam"]) == ("Exponential", pytest.approx(-np.log(0.05) / 5))
