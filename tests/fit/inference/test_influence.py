"""Estimates without each group, against fits to the rows that are left."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bayeslme import (
    CorAR1,
    FitError,
    LmeFit,
    PdDiag,
    SpecError,
    VarIdent,
    VarPower,
    gls,
    lme,
    lmer,
    load_data,
)
from bayeslme.fit.refit import parameters

ORTHODONT = load_data("Orthodont")
AR1, BY_SEX = CorAR1(form="~ 1 | Subject"), VarIdent(form="~ 1 | Sex")
FITS = {
    "slope": lambda: lme("distance ~ age * Sex", ORTHODONT, "~ age | Subject"),
    "ml": lambda: lme("distance ~ age", ORTHODONT, {"Subject": PdDiag("~ age")}, method="ML"),
    "residuals": lambda: lme(
        "distance ~ age * Sex", ORTHODONT, "~ 1 | Subject", correlation=AR1, weights=BY_SEX
    ),
    "nested": lambda: lme("yield ~ nitro", load_data("Oats"), "~ 1 | Block/Variety"),
    "known sigma": lambda: lme(
        "distance ~ age", ORTHODONT, "~ 1 | Subject", control={"sigma": 1.4}
    ),
}


def without(fit: LmeFit, column: str, label: str) -> LmeFit:
    return fit.update(data=fit.data[fit.data[column].astype(str) != label])


@pytest.mark.parametrize("name", FITS)
def test_deletion_is_a_fit_to_the_rest(name: str) -> None:
    fit = FITS[name]()
    found, column = fit.influence(), fit.design.levels[0].group
    for label in list(found.deleted.index)[:: 1 if name == "nested" else 5]:
        rest = without(fit, column, label)
        expected = parameters(rest)
        # 1e-6 of each estimate; a search ends where its own gain is 1e-10 of a log-likelihood,
        # which leaves flat parameters right to some 1e-6 themselves
        np.testing.assert_allclose(found.deleted.loc[label], expected, rtol=4e-6, atol=1e-6)
        assert found.table.loc[label, "logLik"] == pytest.approx(rest.loglik, abs=1e-8)
        assert found.table.loc[label, "n"] == fit.nobs - rest.nobs
        change = fit.fixef - rest.fixef
        cook = change @ np.linalg.solve(fit.vcov(), change) / len(change)
        assert found.table.loc[label, "cooks.distance"] == pytest.approx(cook, rel=1e-4)
        det = np.linalg.det(rest.vcov()) / np.linalg.det(fit.vcov())
        assert found.table.loc[label, "covratio"] == pytest.approx(det, rel=1e-4)
        dfbetas = change / np.sqrt(np.diag(rest.vcov()))
        np.testing.assert_allclose(found.dfbetas.loc[label], dfbetas, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("fit", "group"),
    [
        (lambda: gls("distance ~ age", ORTHODONT, correlation=AR1), "Subject"),
        (lambda: lme("yield ~ nitro", load_data("Oats"), "~ 1 | Block/Variety"), "nitro"),
        (lambda: lmer("distance ~ age + (1 | Subject) + (1 | Sex)", ORTHODONT), "Subject"),
        (lambda: lme("distance ~ age", ORTHODONT, "~ 1 | Subject", weights=VarPower()), "age"),
    ],
)
def test_other_groups_are_left_out_by_fits(fit, group: str) -> None:
    whole = fit()
    found = whole.influence(group, progress=False)
    label = found.deleted.index[1]
    rest = without(whole, group, str(label))
    np.testing.assert_allclose(found.deleted.loc[label], parameters(rest), rtol=2e-4, atol=1e-5)


def test_the_coding_is_that_of_all_rows() -> None:
    fit = lme("distance ~ poly(age, 2)", ORTHODONT, "~ 1 | Subject")
    found = fit.influence("age", progress=False)
    # the basis of all rows goes on: its linear column is of unit length over all 108 rows
    rest = fit.design.X[(ORTHODONT["age"] != 8).to_numpy()]
    assert found.table.loc["8", "n"] == 27
    assert np.isfinite(found.deleted.loc["8"]).all()
    assert np.linalg.matrix_rank(rest) == 3


def test_what_cannot_be_left_out_is_said() -> None:
    data = ORTHODONT.assign(rare=(ORTHODONT["Subject"].astype(str) == "M01").astype(float))
    fit = lme("distance ~ age + rare", data, "~ 1 | Subject")
    for group in (None, "rare"):
        found = fit.influence(group, progress=False)
        label = "M01" if group is None else "1"
        assert found.deleted.loc[label].isna().all()
        assert any("cannot be left out: a coefficient is not identified" in n for n in found.notes)
        assert found.deleted.drop(index=label).iloc[:1].notna().all(axis=None) or group == "rare"
    by_sex = lme("distance ~ age", ORTHODONT, "~ 1 | Subject", weights=BY_SEX)
    notes = by_sex.influence("Sex", progress=False).notes
    assert any("stratum 'Male'" in note for note in notes)


def test_wrong_arguments() -> None:
    fit = lme("distance ~ age", ORTHODONT, "~ 1 | Subject")
    with pytest.raises(SpecError, match="'Subjekt' is no grouping level and no column"):
        fit.influence("Subjekt")
    with pytest.raises(SpecError, match="name a column"):
        gls("distance ~ age", ORTHODONT).influence()
    with pytest.raises(SpecError, match="no measure of influence"):
        fit.influence().plot("cook")
    penalised = lme("distance ~ age", ORTHODONT, "~ 1 | Subject", priors="default")
    with pytest.raises(FitError, match="under priors"):
        penalised.influence()


def test_it_prints_and_plots() -> None:
    found = lme("distance ~ age", ORTHODONT, "~ 1 | Subject").influence()
    text = str(found)
    assert "27 groups left out one at a time" in text
    assert "17 further groups" in text
    assert "<table" in found._repr_html_()
    assert isinstance(found.changes, pd.DataFrame)
    first = found.table["cooks.distance"].idxmax()
    for what in ("cooks.distance", "covratio", "age", "sigma"):
        ax = found.plot(what)
        assert len(ax.texts) == 3
    assert first in [t.get_text() for t in found.plot().texts]
    plt.close("all")
