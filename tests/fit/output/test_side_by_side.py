"""Several results in one table."""

from __future__ import annotations

import pytest

import bayeslme
from bayeslme.errors import FitError


@pytest.fixture(scope="module")
def fits() -> list[bayeslme.LmeFit]:
    data = bayeslme.load_data("orthodont")
    one = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", method="ML")
    return [one, one.update(fixed=". ~ . + Sex"), one.update(random="~ age | Subject")]


def test_every_number_stands_in_its_column(fits: list[bayeslme.LmeFit]) -> None:
    frame = bayeslme.table(*fits).frame
    for j, fit in enumerate(fits):
        column = frame.iloc[:, j]
        for term, value in fit.fixef.items():
            assert column[term] == f"{value:.3f}"
        assert column["SD Residual"] == f"{fit.sigma:.3f}"
        assert column["Log.Lik."] == f"{fit.loglik:.3f}"
        assert column["Num.Obs."] == "108"
    assert frame["(1)"]["SexFemale"] == ""
    assert frame.index[frame.index != ""].is_unique


def test_below_the_estimates(fits: list[bayeslme.LmeFit]) -> None:
    fit = fits[0]
    table = fit.summary().fixed
    errors = bayeslme.table(fit).frame["(1)"]
    assert errors.iloc[1] == f"({table['Std.Error'].iloc[0]:.3f})"
    low, _, high = fit.intervals()["fixed"].iloc[0]
    assert bayeslme.table(fit, statistic="conf.int").frame.iloc[1, 0] == f"[{low:.3f}, {high:.3f}]"


def test_names_stars_renaming(fits: list[bayeslme.LmeFit]) -> None:
    made = bayeslme.table(
        small=fits[0], large=fits[1], stars=True, digits=1, rename={"age": "Age"}, drop=["BIC"]
    )
    assert list(made.frame) == ["small", "large"]
    assert made.frame.loc["Age", "small"] == "0.7***"
    assert made.frame.loc["SexFemale", "large"] == "-2.3**"
    assert "BIC" not in made.frame.index
    assert "Note: + p < 0.1, * p < 0.05" in str(made)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda fit: bayeslme.table(), "no result"),
        (lambda fit: bayeslme.table(fit, 3), "int, not a fit"),
        (lambda fit: bayeslme.table(fit, rename={"agee": "Age"}), "'agee'"),
        (lambda fit: bayeslme.table(fit, statistic="se"), "statistic"),
        (lambda fit: bayeslme.table(fit, digits=-1), "digits"),
    ],
)
def test_wrong_calls(fits: list[bayeslme.LmeFit], call: object, words: str) -> None:
    with pytest.raises(FitError, match=words):
        call(fits[0])  # type: ignore[operator]


@pytest.mark.pymc
@pytest.mark.filterwarnings("ignore:loo, marginal")  # of two rows, which is not the matter here
def test_a_posterior_beside_a_fit(fits: list[bayeslme.LmeFit]) -> None:
    posterior = fits[0].sample(draws=300, seed=1)
    frame = bayeslme.table(fits[0], posterior=posterior).frame
    assert frame.loc["age", "posterior"] == f"{posterior.fixef['age']:.3f}"
    assert frame.loc["ELPD", "posterior"] == f"{posterior.loo('marginal').elpd:.3f}"
    tidy = posterior.tidy("all")
    assert len(tidy) == 2 + 27 + 2
    assert (tidy["conf.low"] < tidy["conf.high"]).all()
    # random effects are kept in single precision
    ranef = tidy[tidy["effect"] == "ran_vals"].set_index("level")["estimate"]
    assert ranef["M01"] == pytest.approx(posterior.ranef().loc["M01"].item(), rel=1e-6)
    made = posterior.augment()
    assert (made[".se.fit"] > 0).all()
    assert (made[".fitted"] + made[".resid"] - made["distance"]).abs().max() < 1e-9
