"""Write ``docs/where-nlme-fails.md``: what this package gives where nlme stops with an error.

``python -m reference.list_failures`` in ``tests/``.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import bayeslme
from bayeslme.errors import BayesLMEError
from reference.corpus import FIT_FAMILIES, Case, family, load_frame

PAGE = Path(__file__).resolve().parents[2] / "docs" / "where-nlme-fails.md"
HEAD = """# Where nlme fails

The stored fits (`tests/reference`) on which nlme 3.1-162 stops with an error under its defaults,
and the result of `spec.fit(data)`: a finite optimum, or an error that names the cause. The table is
made by `python -m reference.list_failures` in `tests/`; the tests run all of these cases.

| case | call | nlme | bayeslme |
|---|---|---|---|
"""


def cell(text: str) -> str:
    """Return text fit for a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def answer(case: Case) -> str:
    """Return what the package gives for one case."""
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            spec = bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"]))
            fit = spec.fit(load_frame(case["data"]))
    except BayesLMEError as error:
        return f"{type(error).__name__}: {error}"
    ending = "converged" if fit.converged else "not converged"
    notes = "; ".join(dict.fromkeys(str(w.message) for w in said))
    return f"{ending}, log-likelihood {fit.loglik:.4f}" + (f" ({notes})" if notes else "")


def main() -> None:
    """Write the page."""
    rows = [
        f"| {case['id']} | `{cell(case['call'])}` | {cell(case['error'])} | {cell(answer(case))} |"
        for name in FIT_FAMILIES
        for case in family(name)
        if case["nlme_failed"]
    ]
    PAGE.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
