from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

import bayeslme
from bayes.support import parameters_of
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.distributions import FAMILIES
from bayeslme.bayes.priors.language import as_prior
from bayeslme.errors import SpecError

AR1 = (
    "lme(distance ~ Sex + age, random = ~ 1 | Subject, correlation = corAR1(), "
    "weights = varIdent(form = ~ 1 | Sex))"
)
EXPONENTIAL = "gls(distance ~ age, correlation = corExp(form = ~ age | Subject, nugget = TRUE))"
ARMA = "gls(distance ~ age, correlation = corARMA(form = ~ 1 | Subject, p = 1))"
CONTINUOUS = "gls(distance ~ age, correlation = corCAR1(form = ~ age | Subject))"


def density(family: str, args: dict[str, float]) -> Any:
    return lambda x: float(np.exp(FAMILIES[family].log_density(np.float64(x), args)))


def test_a_standard_deviation_passes_its_bound_with_the_stated_probability() -> None:
    args = {"upper": 5.0, "alpha": 0.05}
    assert quad(density("PC", args), 5.0, np.inf)[0] == pytest.approx(0.05, rel=1e-8)
    # Simpson and others (2017), section 3.3: the rate is -log(alpha) / U.
    assert density("PC", args)(2.0) == pytest.approx(
        density("Exponential", {"lam": -np.log(0.05) / 5.0})(2.0)
    )


@pytest.mark.parametrize(("upper", "alpha"), [(0.8, 0.1), (0.3, 0.5), (0.95, 0.01)])
def test_a_correlation_passes_its_bound_with_the_stated_probability(
    upper: float, alpha: float
) -> None:
    f = density("PCCorrelation", {"upper": upper, "alpha": alpha})

    def on_fisher_s_scale(z: float) -> float:
        return f(np.tanh(z)) / np.cosh(z) ** 2

    outside = quad(on_fisher_s_scale, np.arctanh(upper), 15.0)[0]
    assert 2 * outside == pytest.approx(alpha, rel=1e-4)
    assert 2 * quad(on_fisher_s_scale, 0.0, 15.0)[0] == pytest.approx(1.0, abs=1e-4)
    assert f(-upper) == pytest.approx(f(upper))
    assert f(0.0) == pytest.approx(f(1e-6), rel=1e-4)


def test_the_distance_of_a_correlation_is_that_of_the_process_from_independence() -> None:
    """2 KLD / (n - 1) of AR(1) against white noise of the same variance, both Gaussian."""
    n, phi = 400, 0.6
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    twice_divergence = -np.linalg.slogdet(phi**lags)[1]  # the traces are equal
    from bayeslme.bayes.priors.densities import correlation_distance

    assert correlation_distance(phi) ** 2 == pytest.approx(twice_divergence / (n - 1), rel=1e-10)


@pytest.mark.parametrize("dimension", [1.0, 2.0, 3.0])
def test_a_range_falls_short_of_its_bound_with_the_stated_probability(dimension: float) -> None:
    f = density("PCRange", {"lower": 2.0, "alpha": 0.1, "dimension": dimension})
    assert quad(f, 0.0, 2.0)[0] == pytest.approx(0.1, rel=1e-6)
    whole = quad(f, 0.0, 50.0)[0] + quad(lambda u: f(1 / u) / u**2, 0.0, 1 / 50.0)[0]
    assert whole == pytest.approx(1.0, abs=1e-6)


def test_a_prior_of_a_range_takes_the_dimension_of_its_positions(orthodont: Any) -> None:
    prior = {"corstruct": {"range": "PCRange(lower=1, alpha=0.05)"}}
    resolved = resolve_priors(parameters_of(EXPONENTIAL, orthodont), prior)["corstruct"]
    assert str(resolved.priors[0]) == "PCRange(lower=1, alpha=0.05, dimension=1)"
    wheat = bayeslme.load_data("Wheat2")
    plane = parameters_of(
        "gls(yield ~ 1, correlation = corExp(form = ~ latitude + longitude))", wheat
    )
    resolved = resolve_priors(plane, {"corstruct": "PCRange(4)"})["corstruct"]
    assert str(resolved.priors[0]) == "PCRange(lower=4, alpha=0.05, dimension=2)"


def test_a_statement_is_read_printed_and_read_again(orthodont: Any) -> None:
    prior = {"sd_Subject": "PC(upper=5, alpha=0.01)", "corstruct": "PC(0.8)", "sigma": "PC(3)"}
    parameters = parameters_of(AR1, orthodont)
    resolved = resolve_priors(parameters, prior)
    assert "sd_Subject (Intercept)  ~ PC(upper=5, alpha=0.01)" in str(resolved)
    assert "corstruct Phi           ~ PCCorrelation(upper=0.8, alpha=0.05)" in str(resolved)
    for name in prior:
        (one,) = resolved[name].priors
        assert as_prior(str(one)) == one


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"fixef": "PC(1)"}, r"'fixef' \(\(Intercept\)\); PC\(upper, alpha\) is for standard dev"),
        ({"varfunc": "PC(1)"}, r"does not fit 'varfunc' \(Female\)"),
        ({"corstruct": "PCRange(1)"}, r"does not fit 'corstruct' \(Phi\)"),
        ({"sd_Subject": "PCRange(1)"}, r"Phi of corAR1, corCAR1, corARMA\(p = 1\), PCRange"),
        ({"corstruct": "PC(1.5)"}, "a correlation's upper must be below 1, not 1.5"),
        ({"sigma": "PC(3, alpha=1)"}, "PC's alpha is a probability below 1"),
        ({"sigma": "PC(upper=-3)"}, "upper = -3 must be positive"),
        ({"sigma": "PC()"}, "PC needs the argument 'upper'"),
    ],
)
def test_statements_that_cannot_be_made_are_refused(
    priors: dict[str, str], message: str, orthodont: Any
) -> None:
    with pytest.raises(SpecError, match=message):
        resolve_priors(parameters_of(AR1, orthodont), priors)


def test_a_positive_correlation_passes_its_bound_with_the_stated_probability(
    orthodont: Any,
) -> None:
    prior = resolve_priors(
        parameters_of(CONTINUOUS, orthodont), {"corstruct": "PC(0.6, alpha=0.3)"}
    )

    def f(x: float) -> float:
        return float(np.exp(prior["corstruct"].log_density(np.array([x]))))

    below = quad(f, 0.0, 0.6)[0]
    assert below == pytest.approx(0.7, rel=1e-6)
    assert f(-0.1) == 0.0


def test_a_range_with_another_dimension_is_refused(orthodont: Any) -> None:
    prior = {"corstruct": {"range": "PCRange(lower=1, dimension=2)"}}
    with pytest.raises(SpecError, match="positions of 'corstruct' have 1 coordinates"):
        resolve_priors(parameters_of(EXPONENTIAL, orthodont), prior)


@pytest.mark.pymc
@pytest.mark.usefixtures("fast_compile")
@pytest.mark.parametrize(
    ("call", "priors", "at"),
    [
        (AR1, {"corstruct": "PC(0.8, alpha=0.1)"}, [[-0.5], [0.0], [0.9]]),
        (ARMA, {"corstruct": "PC(0.8, alpha=0.1)"}, [[-0.5], [0.9]]),
        (CONTINUOUS, {"corstruct": "PC(0.6, alpha=0.3)"}, [[0.1], [0.9]]),
        (EXPONENTIAL, {"corstruct": {"range": "PCRange(1)"}}, [[2.0, 0.3], [0.1, 0.9]]),
    ],
)
def test_models_have_the_same_densities_and_draws(
    call: str, priors: Any, at: list[list[float]], orthodont: Any
) -> None:
    import pymc as pm

    prior = resolve_priors(parameters_of(call, orthodont), priors)["corstruct"]
    variable = bayeslme.translate(call).to_pymc(orthodont, priors=priors)["corstruct"]
    for value in at:
        ours = prior.log_density(np.array(value))
        assert float(pm.logp(variable, np.array(value)).sum().eval()) == pytest.approx(float(ours))
    family, args = FAMILIES[prior.priors[0].family], prior.priors[0].numbers()
    if prior.bounds(0) == family.support(args):  # PyMC draws what is cut by slow rejection
        drawn = pm.draw(variable, draws=2000, random_seed=1)[:, 0]
        assert np.mean(family.cumulative(drawn, args)) == pytest.approx(0.5, abs=0.03)


@pytest.mark.pymc
@pytest.mark.usefixtures("fast_compile")
def test_scales_are_exponential_in_a_model(orthodont: Any) -> None:
    import pymc as pm

    model = bayeslme.translate(AR1).to_pymc(orthodont, priors={"sd_Subject": "PC(upper=5)"})
    got = float(pm.logp(model["sd_Subject"], np.array([2.0])).sum().eval())
    assert got == pytest.approx(np.log(density("PC", {"upper": 5.0, "alpha": 0.05})(2.0)))


def test_statements_reach_modes_and_draws(orthodont: Any) -> None:
    """A strong statement about the sd pulls the mode and the posterior towards zero."""
    call = "lme(distance ~ age, random = ~ 1 | Subject)"
    spec = bayeslme.translate(call)
    strong = {"sd_Subject": "PC(upper=1, alpha=0.01)"}
    plain = spec.fit(orthodont)
    mode = spec.update(priors=strong).fit(orthodont)
    assert mode.method == "MAP"
    drawn = plain.sample(draws=250, priors=strong, seed=1, method="collapsed")
    classical = float(plain.varcorr()["Subject"].sd.iloc[0])
    for shrunk in (mode, drawn):
        assert float(shrunk.varcorr()["Subject"].sd.iloc[0]) < 0.95 * classical
    assert "PC(upper=1, alpha=0.01)" in str(drawn.priors)
