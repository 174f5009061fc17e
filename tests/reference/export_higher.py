"""Write the parameters of the fits that beat all of R's optimisers, for ``verify_higher.R``.

``python -m reference.export_higher`` in ``tests/`` prints one JSON line per such fit.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import bayeslme
from reference.compare import another_optimum
from reference.corpus import FIT_FAMILIES, Case, family, load_frame, nlme_is_wrong


def parameters(fit: Any, case: Case) -> dict[str, Any]:
    """Return what nlme's likelihood needs: relative covariances and structure coefficients."""
    components = fit.varcorr() if case["function"] == "lme" else {}
    groups = case["results"].get("re") or {}
    return {
        "id": case["id"],
        "call": case["call"],
        "contrasts": case["contrasts"],
        "data": case["data"],
        "loglik": fit.loglik,
        "default": case["results"]["logLik"],
        "random": {g: (components[g].cov.to_numpy() / fit.sigma**2).tolist() for g in groups},
        "weights": [] if fit.weights_coef is None else fit.weights_coef.tolist(),
        "correlation": [] if fit.correlation_coef is None else fit.correlation_coef.tolist(),
    }


def main() -> None:
    """Fit every sound case and print those above nlme's default optimum."""
    warnings.simplefilter("ignore")
    for case in (case for name in FIT_FAMILIES for case in family(name)):
        if case["nlme_failed"] or nlme_is_wrong(case):
            continue
        spec = bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"]))
        fit = spec.fit(load_frame(case["data"]))
        if another_optimum(fit.loglik, case).note:
            print(json.dumps(parameters(fit, case)), flush=True)


if __name__ == "__main__":
    main()
