"""The arguments of `lme`, `gls`, `lm`, `lmlist`, `lmer` and `mmrm`, and of R's functions.

This is the one list of them: Python arguments (`make`), R calls (`call`), changes (`update`) and
the ways back (`write`) all read it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bayeslme.spec.model import Function


@dataclass(frozen=True, slots=True)
class Signature:
    """What one function takes.

    Attributes
    ----------
    formula : str
        Name of the formula, the first argument.
    arguments : tuple of str
        The other arguments that belong to a specification, in the order of the Python function.
    methods : tuple of str
        Estimation methods, the default first.
    r_arguments : tuple of str
        All arguments of R's function in R's order, by which arguments without a name are matched.
    r_ignored : tuple of str
        Those of them that change nothing in a specification; they are read and dropped.
    r_refused : tuple of (str, str)
        Those that no specification can express, with what to write instead.
    r_na_action : str
        Treatment of missing values where an R call does not say it. R's `lm` leaves such rows out.
    """

    formula: str
    arguments: tuple[str, ...]
    methods: tuple[str, ...]
    r_arguments: tuple[str, ...]
    r_ignored: tuple[str, ...]
    r_refused: tuple[tuple[str, str], ...] = ()
    r_na_action: str = "fail"


_ROWS = ("correlation", "weights")  # of the residuals
_MIXED = ("subset", "method", "na_action", "control", "contrasts", "priors", "data")
_PLAIN = ("subset", "na_action", "contrasts", "data")
# mmrm passes these on to mmrm_control(), whose arguments they are.
_R_MMRM = (
    *("method", "vcov", "start", "optimizer", "n_cores", "accept_singular", "drop_visit_levels"),
    *("optimizer_args", "optimizer_control", "na.action"),
)
_R_MIXED = ("subset", "method", "na.action", "control")

SIGNATURES: dict[Function, Signature] = {
    "lme": Signature(
        formula="fixed",
        arguments=("random", *_ROWS, *_MIXED),
        methods=("REML", "ML"),
        r_arguments=("fixed", "data", "random", *_ROWS, *_R_MIXED, "contrasts", "keep.data"),
        r_ignored=("keep.data",),
    ),
    "gls": Signature(
        formula="model",
        arguments=(*_ROWS, *_MIXED),
        methods=("REML", "ML"),
        r_arguments=("model", "data", *_ROWS, *_R_MIXED, "verbose", "contrasts"),
        r_ignored=("verbose",),
    ),
    "lm": Signature(
        formula="formula",
        arguments=(*_PLAIN, "priors"),
        methods=("OLS",),
        r_arguments=(
            *("formula", "data", "subset", "weights", "na.action", "method", "model", "x", "y"),
            *("qr", "singular.ok", "contrasts", "offset"),
        ),
        r_ignored=("x", "y", "qr", "singular.ok"),
        r_refused=(("weights", "lm weights are not supported: use gls(weights = varFixed(~ v))"),),
        r_na_action="omit",
    ),
    "lmList": Signature(
        formula="formula",
        arguments=_PLAIN,
        methods=("OLS",),
        r_arguments=(
            *("object", "data", "level", "subset", "na.action", "control", "pool", "warn.lm"),
        ),
        r_ignored=("pool", "warn.lm"),
        r_refused=(
            ("level", "lmList: leave out level, the formula y ~ x | g names the groups"),
            ("control", "lmList: leave out control, each group is fitted by least squares"),
        ),
    ),
    "lmer": Signature(
        formula="formula",
        arguments=(*_ROWS, *_MIXED, "REML"),
        methods=("REML", "ML"),
        r_arguments=(
            *("formula", "data", "REML", "control", "start", "verbose", "subset", "weights"),
            *("na.action", "offset", "contrasts", "devFunOnly", "correlation"),
        ),
        r_ignored=("start", "verbose"),
        r_refused=(("devFunOnly", "lmer: leave out devFunOnly, the model is fitted"),),
        r_na_action="omit",
    ),
    "mmrm": Signature(
        formula="formula",
        arguments=(
            *_ROWS,
            *("subset", "method", "na_action", "control", "contrasts", "data", "REML", "df"),
        ),
        methods=("REML", "ML"),
        r_arguments=("formula", "data", "weights", "covariance", "reml", "control", *_R_MMRM),
        r_ignored=tuple(name for name in _R_MMRM if name not in {"method", "vcov", "na.action"}),
        r_na_action="omit",
    ),
}

FORMULA_NAMES = tuple(dict.fromkeys(one.formula for one in SIGNATURES.values()))
