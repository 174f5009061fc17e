"""Meta-analysis: known sampling variances, held by sigma = 1, against metafor 3.8-1.

metafor's restricted log-likelihood has + log|X'X| / 2, which is taken off here as everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme as b
from bayeslme.fit.result import LmeFit

BCG = b.load_data("bcg").assign(copy=lambda d: d["trial"])
SCHOOLS = b.load_data("schoolCalendars")
KNOWN: dict[str, Any] = {"weights": b.VarFixed("~ vi"), "control": {"sigma": 1.0}}
# Trials of one kind of allocation are correlated by one half.
ALIKE = 0.5 * np.equal.outer(*[BCG["alloc"].astype(str).to_numpy()] * 2) + 0.5 * np.eye(13)
MATRIX = pd.DataFrame(ALIKE, index=BCG["trial"], columns=BCG["trial"])


def meta(formula: str, data: pd.DataFrame, random: Any, **more: Any) -> LmeFit:
    return b.lme(formula, data, random, **{**KNOWN, **more})


def half_logdet(fit: LmeFit) -> float:
    return 0.5 * float(np.linalg.slogdet(fit.design.X.T @ fit.design.X)[1])


def variances(fit: LmeFit) -> list[float]:
    table = fit.varcorr()
    return [float(table[level.group].cov.iloc[0, 0]) for level in fit.design.levels]


def test_bcg() -> None:
    """The published random-effects model (Viechtbauer 2010, J. Stat. Software 36(3))."""
    fit = meta("yi ~ 1", BCG, "~ 1 | trial")
    assert variances(fit) == pytest.approx([0.3132433260], rel=1e-5)
    assert fit.fixef.iloc[0] == pytest.approx(-0.7145323484, rel=1e-6)
    assert np.sqrt(fit.vcov().iloc[0, 0]) == pytest.approx(0.1797815318, rel=1e-5)
    assert fit.loglik + half_logdet(fit) == pytest.approx(-12.20237142, abs=1e-7)
    new = BCG.head(1).assign(vi=0.0)  # the truth of a further trial
    found = fit.predict(new, level=0, interval=0.95).iloc[0]
    assert found["lower"] == pytest.approx(-1.8667, abs=1e-4)
    assert found["upper"] == pytest.approx(0.4376, abs=1e-4)
    low, _, high = fit.intervals(method="profile")["trial"].iloc[0]
    assert low == pytest.approx(0.339469, abs=1e-4)  # metafor's rma.mv, confint(), REML
    assert high == pytest.approx(0.982189, abs=1e-4)


def test_counts_give_the_effects() -> None:
    risk = [np.log(BCG[f"{g}pos"] / (BCG[f"{g}pos"] + BCG[f"{g}neg"])) for g in "tc"]
    np.testing.assert_allclose(BCG["yi"], risk[0] - risk[1], atol=1e-14)


CASES: list[tuple[Any, ...]] = [
    ("yi ~ ablat", BCG, "~ 1 | trial", {}, [0.0764], [0.2515, -0.0291], [0.2491, 0.0072], None),
    ("yi ~ 1", SCHOOLS, "~ 1 | district/school", {}, [0.06506194428, 0.03273651703],
     [0.18471316367], [0.08455591874], -7.95872403371),
    ("yi ~ 1", BCG, {"trial": b.PdKnown(MATRIX)}, {}, [0.5673715418], [-0.6536588509],
     [0.3577670360], -12.8066419190),
    ("yi ~ ablat", BCG, [{"trial": b.PdKnown(MATRIX)}, "~ 1 | copy"], {"method": "ML"},
     [0.0, 3.435143989e-02], [0.2821071763, -2.950933541e-02], [0.1871845516, 5.487736177e-03],
     -7.685665529),
    ("yi ~ 1", SCHOOLS, ["~ 1 | district", "~ 1 | study"],
     {"method": "ML", "correlation": b.CorCompSymm(0.4, "~ 1 | district", fixed=True)},
     [0.05178971086, 0.04274381263], [0.18958884388], [0.08171524891], -9.28483978282),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", CASES, ids=["slope", "two levels", "related trials", "related and not", "outcomes"]
)
def test_metafor(case: tuple[Any, ...]) -> None:
    formula, data, random, more, variance, beta, se, loglik = case
    fit = meta(formula, data, random, **more)
    tol = 1e-4 if loglik is None else 1e-6
    np.testing.assert_allclose(variances(fit), variance, atol=tol)
    np.testing.assert_allclose(fit.fixef, beta, atol=tol)
    np.testing.assert_allclose(np.sqrt(np.diagonal(fit.vcov())), se, atol=tol)
    if loglik is not None:
        constant = half_logdet(fit) if fit.method == "REML" else 0.0
        assert fit.loglik + constant == pytest.approx(loglik, abs=1e-6)


def test_posterior_by_quadrature() -> None:
    """With a prior of tau, on a grid."""
    fit = meta("yi ~ 1", BCG, "~ 1 | trial")
    priors = {"fixef": "Flat()", "sd_trial": "HalfNormal(sigma=0.5)"}
    posterior = fit.sample(draws=4000, chains=4, priors=priors, seed=1)
    tau = np.linspace(1e-4, 3.0, 4000)[:, None]
    y, v = BCG["yi"].to_numpy(), BCG["vi"].to_numpy()
    w = 1.0 / (tau**2 + v)
    mean = (w @ y) / w.sum(axis=1)
    log = 0.5 * np.log(w).sum(axis=1) - 0.5 * np.log(w.sum(axis=1))
    log += -0.5 * np.sum(w * (y - mean[:, None]) ** 2, axis=1) - 0.5 * (tau[:, 0] / 0.5) ** 2
    density = np.exp(log - log.max())
    density /= density.sum()
    expected = density @ tau[:, 0]
    spread = np.sqrt(density @ (tau[:, 0] - expected) ** 2)
    drawn = posterior.values["sd_trial"][:, 0]
    assert drawn.mean() == pytest.approx(expected, abs=5 * spread / np.sqrt(8000))
    assert drawn.std() == pytest.approx(spread, rel=0.05)
    assert posterior.values["fixef"].mean() == pytest.approx(density @ mean, abs=0.012)


def test_one_row_a_group_is_no_warning_where_sigma_is_known() -> None:
    meta("yi ~ 1", BCG, "~ 1 | trial")  # warnings are errors here
    with pytest.warns(b.errors.IdentificationWarning, match="one row per level"):
        b.lme("yi ~ 1", BCG, "~ 1 | trial")
