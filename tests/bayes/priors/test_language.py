from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayeslme.bayes.priors.distributions import FAMILIES
from bayeslme.bayes.priors.language import Prior, as_prior
from bayeslme.errors import SpecError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("HalfNormal(sigma=5)", "HalfNormal(sigma=5)"),
        ("HalfNormal(5)", "HalfNormal(sigma=5)"),
        (" Normal( mu = 24 , sigma = 1e1 ) ", "Normal(mu=24, sigma=10)"),
        ("Normal(-1.5, 2)", "Normal(mu=-1.5, sigma=2)"),
        ("Normal(mu=[24, 0], sigma=2.5e-3)", "Normal(mu=[24, 0], sigma=0.0025)"),
        ("LKJCorr(eta=2)", "LKJ(eta=2)"),
        ("StudentT(3)", "StudentT(nu=3, mu=0, sigma=1)"),
        ("Flat()", "Flat()"),
    ],
)
def test_texts_are_read(text: str, shown: str) -> None:
    assert str(as_prior(text)) == shown
    assert as_prior(shown) == as_prior(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("__import__('os').system('true')", "a number is needed"),
        ("Normal(mu=a)", "a number is needed"),
        ("Normal(mu=1_0)", "',' is needed"),
        ("Normal(mu=1, mu=2)", "given twice"),
        ("Normal(mu=1 sigma=2)", "',' is needed"),
        ("Normal(mu=0, 1)", "cannot follow"),
        ("Normal", "'(' is needed"),
        ("HalfNormal(5", "is needed"),
        ("HalfNormal(5) + 1", "nothing may follow"),
        ("Foo(1)", "unknown distribution 'Foo'; known are Beta"),
        ("Normal(0, -1)", "sigma = -1 must be positive"),
        ("Normal(inf, 1)", "must be finite"),
        ("Normal(0, 1, 2)", "takes 2 arguments"),
        ("Normal(width=1)", "'width' is unknown; it has mu, sigma"),
        ("Gamma(2)", "needs the argument 'beta'"),
        ("Uniform(1, 0)", "lower must be below upper"),
        ("", "a name is needed"),
    ],
)
def test_errors_say_what_is_wrong_and_where(text: str, complaint: str) -> None:
    with pytest.raises(SpecError) as error:
        as_prior(text, "sigma")
    assert complaint in str(error.value)
    assert "sigma" in str(error.value)
    assert len(str(error.value)) <= 300


@given(st.text(max_size=40))
def test_any_text_is_a_prior_or_a_spec_error(text: str) -> None:
    with contextlib.suppress(SpecError):
        assert isinstance(as_prior(text), Prior)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_what_is_printed_is_read_back(mu: float, sigma: float) -> None:
    prior = as_prior(f"Normal(mu={mu!r}, sigma={sigma!r})")
    again = as_prior(str(prior)).numbers()
    assert math.isclose(again["mu"], mu, rel_tol=1e-5, abs_tol=1e-300)
    assert math.isclose(again["sigma"], sigma, rel_tol=1e-5)


def test_objects_with_name_and_arguments_are_priors() -> None:
    class Duck:
        name = "Normal"
        args = {"mu": [1.0, 2.0], "sigma": 3}  # noqa: RUF012

    assert str(as_prior(Duck())) == "Normal(mu=[1, 2], sigma=3)"
    Duck.args = {"mu": 0, "sigma": Duck()}  # type: ignore[dict-item]
    with pytest.raises(SpecError, match="not hyperpriors"):
        as_prior(Duck())
    with pytest.raises(SpecError, match="not int"):
        as_prior(3)


@pytest.mark.pymc
def test_bambi_priors_are_priors() -> None:
    bambi = pytest.importorskip("bambi")
    assert str(as_prior(bambi.Prior("HalfNormal", sigma=2))) == "HalfNormal(sigma=2)"


def test_every_family_has_pymc_s_name_and_arguments() -> None:
    import inspect

    import pymc as pm

    for name, family in FAMILIES.items():
        if name.startswith(("PC", "Step")):  # ours; see test_penalised_complexity, test_units
            continue
        own = getattr(pm, name)
        known = inspect.signature(own.dist).parameters
        assert set(family.arguments) <= set(known) | {"nu", "mu", "sigma", "lam", "alpha", "beta"}


@pytest.mark.parametrize(
    ("text", "meant"), [("normal(0, 1)", "Normal"), ("student_t(3, 0, 2)", "StudentT")]
)
def test_names_of_other_packages_are_recognised(text: str, meant: str) -> None:
    with pytest.raises(SpecError, match=rf"\(did you mean {meant}\?\)") as error:
        as_prior(text)
    assert len(str(error.value)) <= 300
