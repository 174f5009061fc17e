"""Bad input: errors that name what is wrong and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import BayesLMEError, DataError, FitError, SpecError

NEW = pd.DataFrame({"age": [9], "Sex": ["Male"], "Subject": ["M01"]})


@cache
def fit() -> bayeslme.LmeFit:
    return bayeslme.lme("distance ~ age * Sex", bayeslme.load_data("Orthodont"), "~ age | Subject")


@cache
def serial() -> bayeslme.GlsFit:
    correlation = bayeslme.CorAR1(form="~ 1 | Subject")
    return bayeslme.gls("distance ~ age", fit().data, correlation=correlation)


LEVEL = r"level 'School' is none of 'fixed', 'Subject' or 0 to 1"
CASES: dict[str, tuple[Callable[[], Any], type[BayesLMEError], str]] = {
    # an unknown level
    "fitted": (lambda: fit().fitted("School"), SpecError, LEVEL),
    "residuals": (lambda: fit().residuals("School"), SpecError, LEVEL),
    "predict": (lambda: fit().predict(level="School"), SpecError, LEVEL),
    "ranef": (lambda: fit().ranef("School"), SpecError, LEVEL),
    "coef": (lambda: fit().coef("School"), SpecError, LEVEL),
    "a fit without groups": (
        lambda: serial().fitted(1),
        SpecError,
        r"level 1 is none of 'fixed' or 0$",
    ),
    "acf": (lambda: fit().acf(level="School"), SpecError, LEVEL),
    "caterpillar": (lambda: fit().plot.caterpillar("School"), SpecError, LEVEL),
    "aug_pred": (lambda: fit().aug_pred(level="School"), SpecError, LEVEL),
    # new data without a needed column
    "covariate": (
        lambda: fit().predict(NEW.drop(columns="age")),
        DataError,
        r"column 'age' \(model formula\) is not in the data; it has Sex, Subject",
    ),
    "group": (
        lambda: fit().predict(NEW.drop(columns="Subject")),
        DataError,
        r"column 'Subject' \(random groups\) is not in the data; it has age, Sex",
    ),
    "group of the correlation": (
        lambda: serial().predict(NEW.drop(columns="Subject"), use_correlation=True),
        DataError,
        r"column 'Subject' \(correlation\) is not in the data",
    ),
    # a factor level that was not seen
    "factor level": (
        lambda: fit().predict(NEW.assign(Sex="Other")),
        DataError,
        r"'Sex' has the level 'Other' that the model has not seen; it knows Male, Female",
    ),
    "another kind of column": (
        lambda: fit().predict(NEW.assign(age="nine")),
        DataError,
        r"'age' is a factor in the new data and was a number",
    ),
    # a formula where the starting value stands
    **{
        f"formula first: {cls.__name__}": (
            lambda cls=cls, name=name: bayeslme.gls(
                "distance ~ age", fit().data, **{name: cls("~ 1 | Subject")}
            ),
            SpecError,
            r"numbers are needed, not '~ 1 \| Subject'; a formula is the argument form=",
        )
        for cls, name in (
            (bayeslme.VarIdent, "weights"),
            (bayeslme.VarConstPower, "weights"),
            (bayeslme.CorAR1, "correlation"),
            (bayeslme.CorSymm, "correlation"),
            (bayeslme.CorExp, "correlation"),
        )
    },
    # contrasts of the wrong width
    "short row": (lambda: fit().anova(L=[1, 2]), FitError, r"L: .*4 numbers are needed"),
    "long row": (lambda: fit().anova(L=np.ones((2, 5))), FitError, r"L: .*4 numbers are needed"),
    "unknown coefficient": (
        lambda: fit().anova(L={"height": 1}),
        FitError,
        r"L: 'height' is no coefficient; allowed are \(Intercept\), age, SexFemale",
    ),
    # arguments of the other verbs
    "negative lag": (lambda: fit().acf(max_lag=-1), FitError, r"max_lag: .*not -1"),
    "lag in words": (lambda: fit().acf(max_lag="many"), FitError, r"max_lag: .*'many'"),  # type: ignore[arg-type]
    "no bins": (lambda: fit().variogram(bins=0), FitError, r"bins: .*not 0"),
    "distance in words": (
        lambda: fit().variogram(max_distance="far"),
        FitError,
        r"max_distance: a number is needed, not 'far'",
    ),
    "band": (lambda: fit().plot.acf(alpha=5), FitError, r"alpha: .*not 5"),
    "statistic": (lambda: fit().bootstrap(2, "fixef"), FitError, r"statistic: .*'fixef'"),  # type: ignore[arg-type]
    "no fit": (lambda: bayeslme.compare_pred(fit(), 5), FitError, r"argument 2 is no fit but int"),  # type: ignore[arg-type]
    "no fit to test": (
        lambda: bayeslme.simulated_lrt(fit(), "larger"),  # type: ignore[arg-type]
        FitError,
        r"simulated_lrt: argument 2 is no fit",
    ),
    "preset": (
        lambda: fit().singular(prior="strong").under_prior,
        SpecError,
        r"unknown preset 'strong'",
    ),
    "mean of a factor": (
        lambda: bayeslme.interaction_plot(fit().data, "age", "Sex", "Subject"),
        DataError,
        r"'Subject' is not numeric",
    ),
    "transformed primary": (
        lambda: fit().aug_pred("age + Sex"),
        SpecError,
        r"primary: 'age \+ Sex' is not one column",
    ),
    "new response": (lambda: fit().refit([1.0]), DataError, r"response: 108 numbers are needed"),
}


@pytest.mark.parametrize(("verb", "kind", "words"), CASES.values(), ids=CASES)
def test_errors_name_what_is_wrong(
    verb: Callable[[], Any], kind: type[BayesLMEError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        verb()
    assert len(str(caught.value)) <= 300


def test_unknown_groups_are_predicted_at_the_fixed_level_only() -> None:
    new = NEW.assign(Subject="Z01")
    assert np.isnan(fit().predict(new).iloc[0])
    known = fit().predict(NEW, level="fixed").iloc[0]
    assert fit().predict(new, level=0).iloc[0] == known
    assert fit().predict(new.drop(columns="Subject"), level=0).iloc[0] == known


def test_where_nothing_may_be_named_the_message_says_so() -> None:
    data = bayeslme.load_data("orthodont")
    empty = bayeslme.gls("distance ~ 0", data)
    for call in (
        lambda: empty.anova(terms="age"),
        lambda: empty.anova(terms=[]),
        lambda: empty.anova(L={"age": 1}),
        lambda: empty.means("age"),
        lambda: empty.means([]),
        lambda: bayeslme.gls("distance ~ 1", data).means("Sex", at={"age": 1}),
        lambda: bayeslme.gls("distance ~ 1", data).means([]),
    ):
        with pytest.raises(bayeslme.errors.BayesLMEError) as caught:
            call()
        assert str(caught.value).endswith("there are none")
