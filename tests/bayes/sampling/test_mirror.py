"""The evidence of processes whose signs the data do not tell, against a grid of the dense density.

At even lags the coefficients of odd order of an ARMA process may change their signs together. Both
signs are in the prior, so both count in the evidence, however far apart their maxima are.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import toeplitz
from scipy.signal import lfilter
from scipy.special import logsumexp
from scipy.stats import norm, t

from bayeslme import CorARMA, GlsFit, gls
from bayeslme.bayes.posterior.posterior import Posterior

G, T = 60, 12


@pytest.fixture(scope="module")
def fit() -> GlsFit:
    rng = np.random.default_rng(3)
    # An AR(2) process of coefficients 1.2 and -0.5, of which every other value is seen.
    series = [lfilter([1], [1, -1.2, 0.5], rng.normal(size=60))[-2 * T :][::2] for _ in range(G)]
    data = pd.DataFrame(
        {"g": np.repeat(np.arange(G), T), "t": np.tile(2 * np.arange(T), G), "y": np.ravel(series)}
    )
    return gls("y ~ 1", data, correlation=CorARMA(form="~ t | g", p=2))


def autocorrelations(phi: np.ndarray) -> np.ndarray:
    """Of an AR(2) process at lags 0, 2, 4, ..., by the Yule-Walker recursion."""
    rho = [1.0, phi[0] / (1 - phi[1])]
    for _ in range(2 * T):
        rho.append(phi[0] * rho[-1] + phi[1] * rho[-2])
    return np.array(rho[: 2 * T : 2])


def dense_evidence(fit: GlsFit, posterior: Posterior) -> float:
    """Log evidence: sums over a grid of sigma and the coefficients, the mean integrated out."""
    mean, sigma = (posterior.priors[name].priors[0] for name in ("fixef", "sigma"))
    (m0, s0), scale = (mean.numbers()[k] for k in ("mu", "sigma")), sigma.numbers()["sigma"]
    nu = sigma.numbers()["nu"]
    y = fit.design.y.reshape(G, T) - m0
    draws = np.abs(posterior.values["corstruct"]) * [1, -1]  # the second is negative throughout
    centre, sd = draws.mean(axis=0), draws.std(axis=0)
    sizes = np.linspace(0.8, 1.3, 81) * posterior.values["sigma"].mean()
    log_prior_size = np.log(2 * t.pdf(sizes / scale, nu) / scale)
    steps = np.linspace(-6, 6, 61)
    terms = []
    for a in centre[0] + sd[0] * steps:
        for b in centre[1] + sd[1] * steps:
            if not (abs(b) < 1 and abs(a) < 1 - b):
                continue
            root = np.linalg.cholesky(toeplitz(autocorrelations(np.array([a, b]))))
            w, one = np.linalg.solve(root, y.T), np.linalg.solve(root, np.ones(T))
            q, c, o = np.sum(w**2), np.sum(one @ w), G * one @ one
            spread = 1 + s0**2 * o / sizes**2
            value = (
                -0.5 * G * T * np.log(2 * np.pi * sizes**2)
                - G * np.log(np.diag(root)).sum()
                - 0.5 * np.log(spread)
                - 0.5 * (q / sizes**2 - (s0 * c / sizes**2) ** 2 / spread)
                + log_prior_size
            )
            inner = logsumexp(value) + np.log(sizes[1] - sizes[0])
            terms.append(inner + norm.logpdf(a) + norm.logpdf(b))
    cell = np.log(sd[0] * (steps[1] - steps[0])) + np.log(sd[1] * (steps[1] - steps[0]))
    return float(logsumexp(terms) + cell + np.log(2.0))  # the image has the same mass


@pytest.mark.pymc
@pytest.mark.parametrize("priors", [None, {"corstruct": "Normal(0, 1)"}])
def test_both_signs_count(fit: GlsFit, priors: dict[str, str] | None) -> None:
    posterior = fit.sample(seed=1, priors=priors)
    stats = posterior.data["sample_stats"].attrs
    assert stats["log_evidence_mcse"] < 0.02
    assert stats["log_evidence"] == pytest.approx(dense_evidence(fit, posterior), abs=0.05)
    positive = np.mean(posterior.values["corstruct"][:, 0] > 0)
    assert positive == 1.0 if priors is None else 0.45 < positive < 0.55
