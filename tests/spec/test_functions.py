"""The whitelist of formulas is what the data floor can evaluate, no more and no less."""

from __future__ import annotations

from bayeslme.data.functions import FUNCTIONS as EVALUATED
from bayeslme.data.functions import MATHS
from bayeslme.spec.functions import FUNCTIONS, VARIANCE_COVARIATES


def test_what_may_be_written_can_be_evaluated() -> None:
    refused_later = {"offset"}  # read, so that the error can say what to do
    assert FUNCTIONS - VARIANCE_COVARIATES - refused_later == EVALUATED.keys() | MATHS.keys()
