"""The sampled posterior: against published ones, as ArviZ sees it, and its verbs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayes.support import BRMS, GROWTH_PRIORS, brms_scores, growth_draws, z_score
from bayeslme.bayes.density import by_group
from bayeslme.errors import BayesLMEError, DataError, FitError, SpecError

pytestmark = pytest.mark.pymc


def test_the_posterior_is_that_of_brms(posterior: Any) -> None:
    scores = brms_scores(posterior)
    assert len(scores) == 10
    assert max(map(abs, scores.values())) < 4, scores
    published = BRMS["orth_het_ar1"]["summary"]
    for name, draws in growth_draws(posterior).items():
        assert np.std(draws) == pytest.approx(published[name]["sd"], rel=0.1), name


def test_the_chains_agree_and_say_enough(posterior: Any) -> None:
    summary = posterior.summary()
    rows = pd.concat([summary.fixed, *summary.variance.values()])
    assert len(rows) == 8
    assert rows["ess_bulk"].min() > 4000
    assert rows["r_hat"].max() <= 1.01


# Prior and data disagree, so that chains of this length may mix just short of the limit.
@pytest.mark.filterwarnings("ignore:R-hat reaches")
def test_a_wrong_prior_is_noticed(growth_fit: Any) -> None:
    wrong = {**GROWTH_PRIORS, "sd_Subject": "HalfNormal(sigma=0.5)"}
    other = growth_fit.sample(draws=1000, method="nuts", priors=wrong, seed=7, progress=False)
    assert max(map(abs, brms_scores(other).values())) > 4


def test_the_tree_has_the_promised_groups_and_dims(posterior: Any) -> None:
    tree = posterior.data
    assert set(tree.children) >= {
        "posterior", "sample_stats", "log_likelihood", "log_prior",
        "posterior_predictive", "observed_data", "constant_data",
    }  # fmt: skip
    dims = {str(k): v.dims[2:] for k, v in tree["posterior"].data_vars.items()}
    assert dims == {
        "fixef": ("term",),
        "sigma": (),
        "sd_Subject": ("Subject_effect",),
        "varfunc": ("varfunc_coef",),
        "corstruct": ("corstruct_coef",),
        "ranef_Subject": ("Subject", "Subject_effect"),
    }
    assert dict(tree["posterior"].sizes)["chain"] == 4
    assert "nuts" in tree["sample_stats"].attrs["route"]


def test_log_likelihood_and_log_prior_are_those_of_the_draws(posterior: Any) -> None:
    tree = posterior.data
    terms = tree["log_likelihood"]["y"].to_numpy().reshape(-1, 27)
    values = {k: v[:5] for k, v in posterior.values.items()}
    assert terms[:5] == pytest.approx(by_group(posterior.parameters, values))
    prior = sum(v.to_numpy() for v in tree["log_prior"].data_vars.values())
    total = (prior + tree["log_likelihood"]["y"].sum("Subject").to_numpy()).ravel()
    jacobian = np.log(posterior.values["sigma"] * posterior.values["sd_Subject"][:, 0])
    jacobian += np.log(posterior.values["varfunc"][:, 0])
    jacobian += np.log1p(-(posterior.values["corstruct"][:, 0] ** 2))
    sampled = tree["sample_stats"]["logp"].to_numpy().ravel()
    assert np.ptp(total + jacobian - sampled) < 2e-4  # equal up to a constant, in single precision


def test_arviz_takes_it_unmodified(posterior: Any) -> None:
    with pytest.warns(UserWarning, match="Pareto"):  # one child stands out
        loo = az.loo(posterior.data)
    assert loo.n_data_points == 27
    table = az.summary(posterior.data, var_names=["fixef", "sigma"])
    assert len(table) == 5
    assert {"prior", "likelihood"} <= set(az.psense_summary(posterior.data, var_names=["fixef"]))
    az.plot_forest(posterior.data, var_names=["fixef"], backend="none")
    az.plot_ppc_dist(posterior.ppc(), backend="none")


@pytest.mark.parametrize("route", ["posterior", "collapsed"])
def test_arviz_s_functions_take_both_routes(route: str, request: pytest.FixtureRequest) -> None:
    data = request.getfixturevalue(route).data.isel(draw=slice(0, 250))
    names = ["fixef", "sd_Subject", "varfunc", "corstruct", "sigma"]
    assert len(az.summary(data, var_names=names)) == 8
    assert len(az.psense_summary(data, var_names=names)) == 8
    options = {"var_names": names, "backend": "none"}
    for draw in (
        az.plot_dist, az.plot_forest, az.plot_trace, az.plot_trace_dist, az.plot_rank, az.plot_ess,
        az.plot_autocorr, az.plot_mcse, az.plot_psense_dist,
    ):  # fmt: skip
        draw(data, **options)
    az.plot_pair(data, var_names=["varfunc", "corstruct"], backend="none")
    for draw in (az.plot_ppc_dist, az.plot_ppc_pit, az.plot_ppc_tstat, az.plot_ppc_interval):
        draw(data, backend="none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one child stands out
        loo = az.loo(data, pointwise=True)
        table = az.compare({"this": loo, "same": loo})
    az.plot_khat(loo, backend="none")
    assert list(table["rank"]) == [0, 1]


def test_summary_prints_in_nlme_s_layout(posterior: Any) -> None:
    summary = posterior.summary()
    assert list(summary.fixed.columns) == ["Value", "SD", "lower", "upper", "ess_bulk", "r_hat"]
    text = str(summary)
    for part in (
        "Random effects:",
        "Formula: ~1 | Subject",
        "Fixed effects:",
        "Priors",
        "Groups: 27",
    ):
        assert part in text
    assert summary.notes == ()
    assert "<table" in summary._repr_html_()


def test_verbs_have_the_rows_and_columns_of_a_fit(posterior: Any, growth_fit: Any) -> None:
    for verb in ("ranef", "fitted", "residuals"):
        one, two = getattr(posterior, verb)(), getattr(growth_fit, verb)()
        assert one.index.equals(two.index)
        assert np.corrcoef(np.ravel(one), np.ravel(two))[0, 1] > 0.99
    for kind in ("pearson", "normalized"):
        one, two = posterior.residuals(type=kind), growth_fit.residuals(type=kind)
        assert np.corrcoef(one, two)[0, 1] > 0.99
    assert list(posterior.intervals()) == list(growth_fit.intervals())
    for part, table in growth_fit.intervals().items():
        assert list(posterior.intervals()[part].index) == list(table.index)
        assert list(posterior.intervals()[part].columns) == list(table.columns)
    assert posterior.varcorr()["Subject"].sd.index.equals(growth_fit.varcorr()["Subject"].sd.index)
    assert posterior.fixef.index.equals(growth_fit.fixef.index)


def test_predictions(posterior: Any, orthodont: pd.DataFrame) -> None:
    rows = orthodont.iloc[[50, 3]]
    table = posterior.predict(rows, interval=0.9)
    assert list(table.columns) == ["predict", "lower", "upper"]
    assert list(table.index) == list(rows.index)
    assert table["predict"].to_numpy() == pytest.approx(
        posterior.fitted().loc[rows.index].to_numpy()
    )
    assert np.all((table["lower"] < table["predict"]) & (table["predict"] < table["upper"]))
    new = rows.assign(Subject="nobody")
    assert posterior.predict(new).isna().all()
    assert posterior.predict(new, level="fixed").notna().all()


def test_replicates_of_new_groups_spread_as_the_data(
    posterior: Any, orthodont: pd.DataFrame
) -> None:
    new = posterior.ppc(conditional=False, seed=1)["posterior_predictive"]["y"]
    again = posterior.ppc(conditional=False, seed=1)["posterior_predictive"]["y"]
    assert new.equals(again)
    assert new.sizes["draw"] * 4 == 1000
    assert float(new.mean()) == pytest.approx(orthodont["distance"].mean(), abs=0.3)
    assert float(new.std("row").mean()) == pytest.approx(orthodont["distance"].std(), rel=0.2)


def test_as_many_replicates_as_asked(posterior: Any) -> None:
    stored = posterior.ppc()["posterior_predictive"]["y"]
    assert stored.sizes["chain"] * stored.sizes["draw"] == 1000
    more = posterior.ppc(seed=1, draws=8000)["posterior_predictive"]["y"]
    assert more.sizes["chain"] * more.sizes["draw"] == 8000
    away = (more - stored).mean(("chain", "draw")) / stored.std(("chain", "draw"))
    assert float(np.abs(more.mean() - stored.mean())) < 0.05 and away.sizes["row"] == 108
    for wrong in (3, 10_001, True, 1.5):
        with pytest.raises(SpecError, match="draws: a whole number from 4"):
            posterior.ppc(draws=wrong)


@pytest.mark.parametrize("name", ["posterior.nc", "posterior.zarr"])
def test_it_survives_the_disk(name: str, posterior: Any, tmp_path: Path) -> None:
    path = tmp_path / name
    path.with_suffix(".zarr").mkdir()  # whatever is there is replaced
    posterior.save(path)
    loaded = bayeslme.load_posterior(path)
    assert str(loaded.summary()) == str(posterior.summary())
    assert loaded.fit.loglik == pytest.approx(posterior.fit.loglik, rel=1e-12)
    assert loaded.priors.log_density(loaded.values)["fixef"] == pytest.approx(
        posterior.priors.log_density(posterior.values)["fixef"], rel=1e-12
    )
    assert loaded.data["posterior"]["fixef"].equals(posterior.data["posterior"]["fixef"])
    assert loaded.data["sample_stats"].attrs == posterior.data["sample_stats"].attrs


def test_other_files_are_refused(posterior: Any, tmp_path: Path) -> None:
    (tmp_path / "other.nc").write_text("no netCDF")
    (tmp_path / "other.zarr").mkdir()
    for name, what in (("other.nc", "netCDF file"), ("other.zarr", "zarr store")):
        with pytest.raises(DataError, match=f"cannot be read as a {what}"):
            bayeslme.load_posterior(tmp_path / name)
    posterior.data.to_zarr(tmp_path / "plain.zarr", consolidated=False)
    with pytest.raises(DataError, match=r"holds no model .* arviz\.from_zarr"):
        bayeslme.load_posterior(tmp_path / "plain.zarr")


def test_equal_seeds_give_equal_draws(growth_fit: Any) -> None:
    one, two = (
        growth_fit.sample(
            draws=20, tune=50, chains=2, method="nuts", priors=GROWTH_PRIORS, seed=3, progress=False
        )
        for _ in range(2)
    )
    assert one.data["posterior"].to_dataset().equals(two.data["posterior"].to_dataset())
    assert (
        one.data["posterior_predictive"]
        .to_dataset()
        .equals(two.data["posterior_predictive"].to_dataset())
    )


@pytest.mark.parametrize(
    ("options", "complaint", "kind"),
    [
        ({"draws": 0}, "draws: a whole number of at least 1", SpecError),
        ({"draws": 2.5}, "draws: a whole number", SpecError),
        ({"chains": -1}, "chains: a whole number", SpecError),
        ({"method": "gibbs"}, "method: 'gibbs' is none of", SpecError),
        ({"nuts_sampler": "stan"}, "nuts_sampler: 'stan' is none of", SpecError),
        ({"priors": {"tau": "Flat()"}}, "'tau' is not a parameter", SpecError),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(
    options: dict[str, Any], complaint: str, kind: type[BayesLMEError], growth_fit: Any
) -> None:
    with pytest.raises(kind) as error:
        growth_fit.sample(**options)
    assert complaint in str(error.value)


def test_improper_posteriors_are_refused(orthodont: pd.DataFrame) -> None:
    few = orthodont[orthodont["Subject"].isin(["M01", "F01"])]
    fit = bayeslme.lme("distance ~ age", few, random="~ 1 | Subject")
    with pytest.raises(FitError, match=r"flat prior on 'sd_Subject'.*improper"):
        fit.sample(priors="flat")


@pytest.mark.slow  # compiling takes most of it; the growth model stays in, above
@pytest.mark.parametrize("name", ["orth_slope", "beech"])
def test_other_posteriors_of_brms(name: str) -> None:
    record = BRMS[name]
    pair = ("contr.treatment", "contr.poly")
    data = bayeslme.load_data(record["data"].lower())
    fit = bayeslme.translate(record["nlme_call"], pair).fit(data)
    if name == "orth_slope":
        priors = {
            "fixef": "Normal(mu=[24, 0, 0, 0], sigma=10)",
            "sd_Subject": "HalfNormal(5)",
            "cor_Subject": "LKJ(2)",
            "sigma": "HalfNormal(3)",
        }
    else:
        priors = {
            "fixef": "Normal(mu=[5, 0, 0, 0, 0, 0, 0], sigma=5)",
            "sd_plank": "HalfNormal(3)",
            "sigma": "HalfNormal(3)",
        }
    drawn = fit.sample(draws=2000, method="nuts", priors=priors, seed=5, progress=False).data[
        "posterior"
    ]
    fixef = drawn["fixef"].to_numpy()
    own = {f"fixef{j}": fixef[..., j] for j in range(fixef.shape[-1])}
    own["sigma"] = drawn["sigma"].to_numpy()
    published = record["summary"]
    names = [n for n in published if n.startswith("b_")]
    pairs = dict(zip(own, [*names, "sigma"], strict=True))
    group = "Subject" if name == "orth_slope" else "plank"
    sd = drawn[f"sd_{group}"].to_numpy()
    own["sd0"], pairs["sd0"] = sd[..., 0], f"sd_{group}__Intercept"
    if name == "orth_slope":
        own["sd1"], pairs["sd1"] = sd[..., 1], "sd_Subject__a"
        own["cor"] = drawn["cor_Subject"].to_numpy()[..., 0, 1]
        pairs["cor"] = "cor_Subject__Intercept__a"
    for mine, theirs in pairs.items():
        z = z_score(own[mine], published[theirs]["mean"], published[theirs]["mcse_mean"])
        assert abs(z) < 4, (theirs, z)


def test_tables_have_the_digits_that_draws_give(collapsed: Any) -> None:
    """Three of the standard deviation; the tables themselves keep all."""
    page = collapsed._repr_html_()
    fixed = collapsed.summary().fixed
    assert f"{fixed['ess_bulk'].iloc[0]:.0f}" in page
    assert f"{fixed['ess_bulk'].iloc[0]:.2f}" not in page
    sd = fixed["SD"].iloc[1]
    assert f"{sd:.3g}" in page
    assert f"{sd:.6g}" not in page
    assert f"{sd:.6g}" not in str(collapsed)


def test_what_cannot_be_written_is_said(collapsed: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        collapsed.save(tmp_path / "nowhere" / "draws.nc")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": "a"}, "seed: None or a whole number"),
        ({"seed": -1}, "seed: None or a whole number"),
        ({"method": "collapsed", "tune": 100}, "tune: is for NUTS"),
        ({"method": "collapsed", "nuts_sampler": "pymc"}, "nuts_sampler: is for NUTS"),
    ],
)
def test_options_that_say_nothing_are_refused(
    options: dict[str, Any], message: str, growth_fit: Any
) -> None:
    with pytest.raises(BayesLMEError, match=message):
        growth_fit.sample(draws=10, **options)


@pytest.mark.parametrize("name", ["chain", "draw", "row", "term"])
def test_groups_do_not_have_names_of_the_posterior_s_own(
    name: str, orthodont: pd.DataFrame
) -> None:
    data = orthodont.rename(columns={"Subject": name})
    fit = bayeslme.lme("distance ~ age", data, f"~ 1 | {name}")
    with pytest.raises(SpecError, match=f"column '{name}' has a name that posteriors use.*rename"):
        fit.sample(draws=10)
