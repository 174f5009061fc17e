"""What the data cannot tell is said where the estimates are printed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import SpecError
from bayeslme.structures import (
    CorAR1,
    CorARMA,
    CorCompSymm,
    CorExp,
    CorLin,
    CorSpher,
    CorSymm,
    VarIdent,
)

pytestmark = pytest.mark.filterwarnings("ignore::bayeslme.errors.IdentificationWarning")


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(np.arange(8), 3), "t": np.tile([1, 2, 3], 8)})
    return data.assign(y=rng.normal(size=24), x=rng.normal(size=24), r=np.arange(24))


@pytest.mark.parametrize(
    ("p", "q", "form"), [(3, 0, "~ t | g"), (0, 3, "~ t | g"), (2, 4, "~ 1 | g")]
)
def test_orders_beyond_the_largest_lag(p: int, q: int, form: str) -> None:
    for fit in (bayeslme.gls, lambda *a, **k: bayeslme.lme(*a, "~ 1 | g", **k)):
        with pytest.raises(SpecError, match=f"p = {p}, q = {q}.*at most 2") as caught:
            fit("y ~ 1", frame(), correlation=CorARMA(form=form, p=p, q=q))
        assert len(str(caught.value)) <= 300


def test_orders_where_no_group_has_two_rows() -> None:
    with pytest.raises(SpecError, match="no group has two"):
        bayeslme.gls("y ~ 1", frame(), correlation=CorARMA(form="~ t | r", p=1, q=1))


def test_the_largest_order_is_fitted() -> None:
    fit = bayeslme.gls("y ~ 1", frame(), correlation=CorARMA(form="~ t | g", p=2))
    assert "Note" not in str(fit.summary())


@pytest.mark.parametrize(
    ("structure", "names"),
    [
        (CorAR1(form="~ 1 | r"), ["Phi"]),
        (CorCompSymm(form="~ 1 | r"), ["Rho"]),
        (CorExp(form="~ t | r", nugget=True), ["range", "nugget"]),
        (CorARMA(form="~ t | g", p=2, q=1), ["Phi1", "Phi2", "Theta1"]),
    ],
)
def test_flat_correlations_are_named(structure: object, names: list[str]) -> None:
    fit = bayeslme.gls("y ~ 1", frame(), correlation=structure)
    for text in (str(fit), str(fit.summary()), fit.summary()._repr_html_()):
        assert "likelihood is flat in" in text
        for name in names:
            assert f"{name} in corstruct" in text


def test_pair_of_positions_that_never_meet() -> None:
    data = frame()
    never = ((data["t"] == 2) & (data["g"] % 2 == 0)) | ((data["t"] == 3) & (data["g"] % 2 == 1))
    fit = bayeslme.gls("y ~ 1", data[~never], correlation=CorSymm(form="~ t | g"))
    note = str(fit.summary()).partition("Note")[2]
    assert "cor(2,3)" in note
    assert "cor(1,2)" not in note


def test_sums_of_variances() -> None:
    data = frame()
    one = bayeslme.lme("y ~ 1", data, "~ 1 | r")
    assert "only their sum" in str(one.summary())
    strata = bayeslme.lme("y ~ 1", data, "~ 1 | r", weights=VarIdent(form="~ 1 | t"))
    assert "flat in a direction of sd((Intercept)) in r" in str(strata.summary())
    both = bayeslme.lme("y ~ 1", data, "~ 1 | g", correlation=CorCompSymm(form="~ 1 | g"))
    assert "flat in a direction of sd((Intercept)) in g, Rho" in str(both.summary())


def test_a_linear_correlation_in_the_plane() -> None:
    data = frame()
    plane = bayeslme.gls("y ~ 1", data, correlation=CorLin(form="~ x + t | g"))
    assert "corLin is a correlation on a line only: with 2 coordinates" in str(plane.summary())
    line = bayeslme.gls("y ~ 1", data, correlation=CorLin(form="~ x | g"))
    assert "on a line only" not in str(line.summary())


def walks() -> pd.DataFrame:
    """Random walks, which have no range, from where each group's mean is taken out."""
    rng = np.random.default_rng(1)
    t = np.sort(rng.uniform(0, 25, 40))
    y = np.cumsum(rng.normal(size=(8, 40)) * np.sqrt(np.diff(t, prepend=0)), axis=1)
    y += 0.3 * rng.normal(size=y.shape) + 30 * np.arange(8)[:, None]
    f = np.repeat(list("abcdefgh"), 40)
    return pd.DataFrame({"f": f, "g": f, "t": np.tile(t, 8), "y": y.ravel()})


def test_a_range_beyond_all_distances() -> None:
    """The likelihood at a quarter of the range, with half of sigma, is the same."""
    data = walks()
    structure = CorSpher(form="~ t | g", nugget=True)
    fit = bayeslme.gls("y ~ f", data, correlation=structure)
    size, nugget = fit.correlation_coef
    assert size > 1000
    shorter = {"range": size / 4, "nugget": nugget / (nugget + (1 - nugget) / 4)}
    held = CorSpher(shorter, form="~ t | g", nugget=True, fixed=True)
    again = bayeslme.gls("y ~ f", data, correlation=held)
    np.testing.assert_allclose(again.loglik, fit.loglik, atol=0.01)
    np.testing.assert_allclose(again.sigma / fit.sigma, 0.5, rtol=1e-2)
    for text in (str(fit), str(fit.summary()), fit.summary()._repr_html_()):
        assert "far beyond the largest distance" in text


def test_a_long_range_that_the_data_tell() -> None:
    """Groups far apart tell sigma, and with it the range, however long."""
    data = walks().assign(
        y=lambda d: d["y"] + 300 * np.random.default_rng(2).normal(size=8).repeat(40)
    )
    fit = bayeslme.gls("y ~ 1", data, correlation=CorSpher(form="~ t | g", nugget=True))
    assert fit.correlation_coef["range"] > 1000
    assert "far beyond" not in str(fit.summary())


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_a_range_beyond_all_distances_is_told_in_any_unit(unit: float) -> None:
    """The likelihood is flat upwards: four times the range fits as well, whatever the unit."""
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 10, (30, 2))
    apart = np.sqrt(((place[:, None] - place) ** 2).sum(axis=-1))
    root = np.linalg.cholesky(0.8 * np.maximum(0, 1 - apart / 60) + 0.2 * np.eye(30))
    x, z = (place * unit).T
    data = pd.DataFrame({"y": root @ rng.normal(size=30), "x": x, "z": z})
    fit = bayeslme.gls("y ~ 1", data, bayeslme.CorSpher(form="~ x + z", nugget=True))
    assert fit.correlation_coef["range"] > apart.max() * unit
    assert "beyond the largest distance" in str(fit.summary())
