"""The whitelist of formulas is what the data floor can evaluate, no more and no less."""

from __future__ import annotations

import pytest

from bayeslme.data.evaluation.functions import FUNCTIONS as EVALUATED
from bayeslme.data.evaluation.functions import MATHS
from bayeslme.errors import SpecError
from bayeslme.formula.functions import FUNCTIONS, VARIANCE_COVARIATES, check_functions
from bayeslme.formula.grammar import parse_expression


def test_what_may_be_written_can_be_evaluated() -> None:
    refused_later = {"offset"}  # read, so that the error can say what to do
    assert FUNCTIONS - VARIANCE_COVARIATES - refused_later == EVALUATED.keys() | MATHS.keys()


@pytest.mark.parametrize("text", ["splines::ns(x, 3)", "stats::poly(x, 2)", "base::log(x)"])
def test_a_function_may_carry_its_package(text: str) -> None:
    check_functions(parse_expression(text), text)


@pytest.mark.parametrize("text", ["os::log(x)", "splines::te(x)", "base::system(x)"])
def test_other_packages_and_functions_are_refused(text: str) -> None:
    with pytest.raises(SpecError, match="unknown function"):
        check_functions(parse_expression(text), text)
