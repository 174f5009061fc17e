"""Results that travel: to the disk, to other processes and threads."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import bayeslme

DATA = bayeslme.load_data("Orthodont")


def mixed() -> bayeslme.LmeFit:
    weights, correlation = bayeslme.VarIdent(form="~ 1 | Sex"), bayeslme.CorAR1()
    return bayeslme.lme(
        "distance ~ Sex * age", DATA, "~ age | Subject", weights=weights, correlation=correlation
    )


FITS: dict[str, Callable[[], Any]] = {
    "lme": mixed,
    "gls": lambda: bayeslme.gls(
        "distance ~ age", DATA, correlation=bayeslme.CorAR1(form="~ 1 | Subject")
    ),
    "lm": lambda: bayeslme.lm("distance ~ age", DATA),
    "lmlist": lambda: bayeslme.lmlist("distance ~ age | Subject", DATA),
}
COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda fit: pickle.loads(pickle.dumps(fit)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", FITS)
def test_a_copy_says_the_same_and_works_on(kind: str, how: str) -> None:
    fit = FITS[kind]()
    fit.summary()  # what is remembered travels too
    other = COPIES[how](fit)
    for verb in ("summary", "intervals", "predict"):
        assert str(getattr(other, verb)()) == str(getattr(fit, verb)())
    assert str(other.update(data=DATA)) == str(fit)


@pytest.mark.parametrize(
    "verb", ["summary", "intervals", "anova", "varcorr", "singular", "ranef", "acf"]
)
def test_results_travel_too(verb: str) -> None:
    found = getattr(mixed(), verb)()
    assert str(pickle.loads(pickle.dumps(found))) == str(found)
    assert repr(copy.deepcopy(found)) == repr(found)


def test_threads_find_the_same() -> None:
    def page(_: int) -> str:
        return f"{mixed().summary()}{mixed().intervals()}"

    with ThreadPoolExecutor(8) as pool:
        pages = list(
            pool.map(lambda _: str(mixed().summary()) + str(mixed().intervals()), range(8))
        )
    assert len(set(pages)) == 1
