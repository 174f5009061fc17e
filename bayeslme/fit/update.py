"""Fit a changed specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pandas as pd

if TYPE_CHECKING:
    from bayeslme.fit.lmlist import LmList
    from bayeslme.fit.result import Fit


def update(fit: Fit | LmList, **changes: Any) -> Fit:
    """Fit again with some arguments of the call changed.

    Parameters
    ----------
    fit : Fit or LmList
    **changes
        Arguments of `lme`, `gls` or `lm`. ``fixed`` (``model``, ``formula``) may use dots, ``". ~ .
        - x"``; None takes a correlation, weights or a subset away; ``data`` is another data frame.

    Returns
    -------
    Fit or LmList
        Contrasts and everything else not named stay.

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> round(update(fit, fixed=". ~ . + Sex", method="ML").loglik, 3)
    -217.428
    """
    from bayeslme.fit.api import fit_spec, label_of

    data = changes.pop("data", fit.data)
    if isinstance(data, pd.DataFrame) and data is not fit.data:
        changes["data"] = label_of(data)
    return cast("Fit", fit_spec(fit.spec.update(**changes), data))
