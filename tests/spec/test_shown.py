"""What a specification and a model file show at the prompt: the call, not how it is kept."""

from __future__ import annotations

import bayeslme


def test_a_specification_shows_its_call() -> None:
    spec = bayeslme.translate("lme(y ~ x, random = ~ 1 | g)")
    assert repr(spec) == str(spec) == 'lme("y ~ x", data=..., random="~1 | g")'


def test_a_model_file_shows_its_title_and_call() -> None:
    title, call = repr(bayeslme.load_model("models/orthodont.toml")).split("\n", 1)
    assert title.startswith("Orthodont")
    assert call.startswith("lme(")
