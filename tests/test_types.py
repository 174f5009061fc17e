"""What a type checker, and so an editor, knows of the results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).resolve().parent.parent

REVEALED = {
    "fit": "LmeFit",
    "fit.sample()": "Posterior",
    "fit.spec": "LmeSpec[LmeFit]",
    "fit.spec.update(method='ML').fit(data)": "LmeFit",
    "fit.update(method='ML')": "LmeFit",
    "fit.refit(data['y'])": "LmeFit",
    "fit.coef()": "DataFrame | dict[str, DataFrame]",
    "bayeslme.gls('y ~ x', data).coef()": "Series[Any]",
    "bayeslme.gls('y ~ x', data).spec.fit(data)": "GlsFit",
    "bayeslme.mmrm('y ~ v + us(v | g)', data).spec.fit(data)": "GlsFit",
    "bayeslme.lm('y ~ x', data).spec.fit(data)": "LmFit",
    "bayeslme.lmlist('y ~ x | g', data).spec.fit(data)": "LmList",
    "bayeslme.lmlist('y ~ x | g', data).update(fixed='y ~ 1')": "LmList",
    "spec": "LmeSpec[Fit]",
    "spec.fit(data)": "Fit",
    "spec.fit(data).summary()": "Summary",
    "spec.fit(data).intervals()": "Intervals",
    "spec.fit(data).sample().fit": "Fit",
    "spec.prior_predictive(data)": "DataTree",
    "bayeslme.from_bambi('y ~ x + (x | g)')": "LmeSpec[Fit]",
    "fit.fitted()": "Series[Any]",
    "fit.fitted([0, 1])": "DataFrame",
}


@pytest.fixture(scope="module")
def revealed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The types that mypy reveals, in the order of `REVEALED`; one run, with the usual cache."""
    lines = [
        "import pandas as pd",
        "import bayeslme",
        "data = pd.DataFrame()",
        "fit = bayeslme.lme('y ~ x', data, '~ 1 | g')",
        "spec = bayeslme.translate('lme(y ~ x, random = ~ 1 | g)')",
        *(f"reveal_type({expression})" for expression in REVEALED),
    ]
    path = tmp_path_factory.mktemp("types") / "shown.py"
    path.write_text("\n".join(lines), encoding="utf-8")
    config, cache = ROOT / "pyproject.toml", ROOT / ".mypy_cache"
    out, err, _ = api.run([f"--config-file={config}", f"--cache-dir={cache}", str(path)])
    assert "error" not in out + err, out + err
    return re.findall(r'Revealed type is "(.*)"', out)


def test_editors_complete_the_results(revealed: list[str]) -> None:
    # The names alone: in which module a class lives is no part of this.
    short = [re.sub(r"[\w.]*\.(\w+)", r"\1", one) for one in revealed]
    assert dict(zip(REVEALED, short, strict=True)) == REVEALED
