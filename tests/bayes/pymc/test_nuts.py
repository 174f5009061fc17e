"""What NUTS says before it starts."""

from __future__ import annotations

import time
import warnings

import pytest

from bayeslme.bayes.pymc.nuts import _announce


def test_a_long_run_says_beforehand_how_long_it_may_take() -> None:
    """A thousand transitions of about twelve gradients of 20 milliseconds are four minutes."""
    with pytest.warns(UserWarning, match=r"NUTS starts now and may take 2[4-9]\d seconds"):
        _announce(lambda: time.sleep(0.02), 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _announce(lambda: None, 1000)
