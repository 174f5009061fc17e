"""Statements about parameters, functions of them, and marginal means.

A statement is an R expression, ``"SexFemale < 0"`` or ``"sigma^2 > `sd((Intercept))`^2"``, read by
the grammar of formulas and evaluated on the draws: it can run no code. A parameter is named as the
summary names it; where two parts of the model share a name, as ``part name`` in backticks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayeslme.bayes import settings
from bayeslme.bayes.posterior.estimates import IntervalKind, limits, parts
from bayeslme.bayes.posterior.summary import effective_draws
from bayeslme.data.evaluation.evaluate import evaluate_mask, evaluate_number
from bayeslme.data.evaluation.functions import MATHS
from bayeslme.data.variables.columns import Columns
from bayeslme.errors import FitError
from bayeslme.fit.inference.contrasts import (
    Estimates,
    Kind,
    Weighting,
    contrast_rows,
    contrasts,
    index_of,
)
from bayeslme.fit.inference.means import marginal, of_what
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import (
    Binary,
    Call,
    Expr,
    Name,
    Paren,
    Unary,
    bare,
    spine,
    variables,
)
from bayeslme.formula.grammar import parse_expression

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.draws import Draws
    from bayeslme.fit.inference.reference_grid import Weights


ELEMENTWISE = {*MATHS, "log"}
COMPARISONS = ("<", "<=", ">", ">=")
SINGLE_EQUALS = re.compile(r"(?<![<>=!])=(?!=)")


def hypothesis(
    posterior: Draws,
    *statements: str,
    level: float = 0.95,
    kind: IntervalKind = "eti",
) -> pd.DataFrame:
    """Probability that statements about the parameters are true; see `Posterior.hypothesis`."""
    if not statements:
        raise FitError("hypothesis: give at least one statement, such as 'SexFemale < 0'")
    named = draws_by_name(posterior)
    rows = [_row(posterior, named, text, level, kind) for text in statements]
    return pd.DataFrame(rows, index=pd.Index(statements, name="hypothesis"))


def contrast(
    posterior: Draws, L: Any, level: float = 0.95, kind: IntervalKind = "eti"
) -> pd.DataFrame:
    """Linear combinations of the coefficients; see `Posterior.contrast`."""
    found = contrasts(L, posterior.parameters.fixef.coefs)
    index = list(found.labels) or range(1, len(found.rows) + 1)
    return combined(posterior, found.rows, level, kind).set_axis(index, axis=0)


def combinations(posterior: Draws, rows: np.ndarray) -> np.ndarray:
    """Draws (s, g) of linear combinations of the coefficients.

    Parameters
    ----------
    posterior : Draws
    rows : array, shape (g, p), or (g, p + 1)
        A last column beyond the coefficients is added as it is: the offset's part.
    """
    fixef = posterior.values["fixef"]
    p = fixef.shape[-1]
    return np.asarray(fixef @ rows[:, :p].T + rows[:, p:].sum(axis=1))


def combined(posterior: Draws, rows: np.ndarray, level: float, kind: IntervalKind) -> pd.DataFrame:
    """Table (r, 5) of the combinations ``rows @ beta``, rows of shape (r, p); see `contrast`."""
    draws = combinations(posterior, rows)
    low, high = limits(draws, level, kind)
    return pd.DataFrame(
        {
            "Value": draws.mean(axis=0),
            "SD": draws.std(axis=0, ddof=1),
            "lower": low,
            "upper": high,
            "P(> 0)": (draws > 0).mean(axis=0),
        }
    )


def draws_by_name(posterior: Draws) -> dict[str, np.ndarray]:
    """Draws of every parameter under the names a statement may use."""
    found: dict[str, np.ndarray] = {}
    shared: set[str] = set()
    for part, frame in parts(posterior).items():
        for name, column in frame.items():
            shared |= {str(name)} & found.keys()
            found[str(name)] = column.to_numpy()
            if part not in ("fixed", name):
                found[f"{part} {name}"] = column.to_numpy()
    return {name: draws for name, draws in found.items() if name not in shared}


def _row(
    posterior: Draws,
    named: dict[str, np.ndarray],
    text: str,
    level: float,
    kind: IntervalKind,
) -> dict[str, float]:
    from bayeslme.bayes.posterior.summary import effective_draws

    known, columns = read_expression(text, named)
    true = evaluate_mask(known, columns) if is_statement(known) else None
    if true is None:
        raise FitError(
            f"hypothesis: '{text}' is not a comparison; write 'SexFemale < 0', say, or ask for "
            "quantities()"
        )
    share = float(true.mean())
    size = effective_draws(posterior, true.astype(float))
    row = {"probability": share, "mcse": float(np.sqrt(share * (1 - share) / size))}
    difference = np.full(len(true), np.nan)
    if isinstance(known, Binary) and known.op in COMPARISONS:
        left, right = (evaluate_number(side, columns) for side in (known.left, known.right))
        difference = np.broadcast_to(left - right, len(true))
    low, high = limits(difference[:, None], level, kind)[:, 0]
    spread = {"Value": difference.mean(), "SD": difference.std(ddof=1), "lower": low, "upper": high}
    return {**row, **{name: float(value) for name, value in spread.items()}}


def read_expression(text: str, named: dict[str, np.ndarray]) -> tuple[Expr, Columns]:
    """Read an expression of parameters: placeholders for names, and their draws.

    Raises
    ------
    FitError
        For an unknown parameter or function, or where no parameter is named.
    """
    point = "`" not in text and SINGLE_EQUALS.search(text)  # brms writes "age = 0"
    tree = bare(parse_expression(SINGLE_EQUALS.sub("==", text) if point else text))
    _refuse_points(tree, text)
    used: dict[str, np.ndarray] = {}
    known = _with_places(tree, named, used)
    unknown = [name for name in variables(known) if name not in used]
    if unknown:
        raise FitError(_unknown(unknown[0], text, named))
    if not used:
        raise FitError(f"'{text}' names no parameter")
    return known, Columns(pd.DataFrame(used))


def is_statement(node: Expr) -> bool:
    """Whether an expression is true or false."""
    node = bare(node)
    if isinstance(node, Binary):
        return node.op in (*COMPARISONS, "&", "&&", "|", "||")
    return isinstance(node, Unary) and node.op == "!" and is_statement(node.operand)


def _refuse_points(node: Expr, text: str) -> None:
    if isinstance(bare(node), Binary) and getattr(bare(node), "op", "") in ("==", "=", "!="):
        raise FitError(
            f"'{text}': a single point has probability 0; ask for an interval, such as abs(x) < 0.1"
        )


def _with_places(node: Expr, named: dict[str, np.ndarray], used: dict[str, np.ndarray]) -> Expr:
    """Replace what names a parameter, however it is written, by a plain name."""
    place = _place(node, named, used)
    if place is not None:
        return place
    match node:
        case Unary():
            return replace(node, operand=_with_places(node.operand, named, used))
        case Binary():
            return _chain_with_places(node, named, used)
        case Paren():
            return replace(node, inner=_with_places(node.inner, named, used))
        case Call():
            if node.function not in ELEMENTWISE:
                raise FitError(_no_function(deparse(node), node.function, named))
            args = (replace(a, value=_with_places(a.value, named, used)) for a in node.args)
            return replace(node, args=tuple(args))
    return node


def _place(node: Expr, named: dict[str, np.ndarray], used: dict[str, np.ndarray]) -> Name | None:
    """The plain name of a parameter, where the expression as a whole names one."""
    text = node.name if isinstance(node, Name) else deparse(node)
    without_spaces = {name.replace(" ", ""): name for name in named}
    own = without_spaces.get(text.replace(" ", ""))  # nlme's cor((Intercept),age) has none
    if own is None:
        return None
    place = f"parameter_{list(named).index(own)}"
    used[place] = named[own]
    return Name(place)


def _chain_with_places(
    node: Binary, named: dict[str, np.ndarray], used: dict[str, np.ndarray]
) -> Expr:
    """A chain of operators, of which the longest beginning that names a parameter is kept whole."""
    first, steps = spine(node)
    out: Expr | None = None
    for count in range(len(steps), 0, -1):
        out = _place(steps[count - 1], named, used)
        if out is not None:
            break
    else:
        count, out = 0, _with_places(first, named, used)
    for step in steps[count:]:
        out = replace(step, left=out, right=_with_places(step.right, named, used))
    return out


def _no_function(text: str, function: str, named: dict[str, np.ndarray]) -> str:
    own = [f"`{name}`" for name in named if name.endswith(f" {text}")]
    if own:
        return f"'{text}' names a parameter of several parts; write {' or '.join(own)}"
    allowed = ", ".join(sorted(ELEMENTWISE))
    return f"{function}() is not a function of a single draw; there are {allowed}"


def _unknown(name: str, text: str, named: dict[str, np.ndarray]) -> str:
    limits = settings.POSTERIOR
    listed = ", ".join(f"`{n}`" if " " in n else n for n in named)
    shown = (
        listed
        if len(listed) <= limits.max_listed_characters
        else listed[: limits.max_listed_characters] + " ..."
    )
    return f"'{name}' in '{text}' is not a parameter; there are {shown}"


@dataclass(frozen=True, eq=False, repr=False)
class PosteriorMeans(Estimates):
    """Marginal means, or slopes, over the posterior; see `posterior_means`.

    Attributes
    ----------
    posterior : Draws
    level : float
    kind : {"eti", "hdi"}
    """

    posterior: Draws
    level: float
    kind: IntervalKind

    @property
    def draws(self) -> np.ndarray:
        """Draws of the means, shape (s, g)."""
        return combinations(self.posterior, self.rows)

    def contrasts(
        self,
        kind: Kind | Mapping[str, Weighting] = "pairwise",
        by: str | Sequence[str] | None = None,
    ) -> Estimates:
        """Differences of the means, or other combinations.

        Arguments and result: see `bayeslme.fit.inference.means.Means`.

        Limits and probabilities are of each by itself: a posterior needs no adjustment for the
        number of comparisons.
        """
        found = contrast_rows(self.rows, self.table.index, kind, by)
        table = combined(self.posterior, found.rows, self.level, self.kind)
        table.index = found.index
        return self._contrasts(table, found.rows)


def posterior_means(
    posterior: Draws,
    factors: str | Sequence[str],
    at: Mapping[str, Any] | None = None,
    *,
    slope: str | None = None,
    weights: Weights = "equal",
    level: float = 0.95,
    kind: IntervalKind = "eti",
) -> PosteriorMeans:
    """Marginal means over the posterior; see `Posterior.means`."""
    labels, rows, notes = marginal(posterior.fit, factors, at, slope, weights)
    table = combined(posterior, rows, level, kind)
    shown = [factors] if isinstance(factors, str) else list(factors)
    table.index = index_of(labels, shown)
    of, slopes = of_what(posterior.fit, slope), slope is not None
    return PosteriorMeans(table, rows, tuple(notes), of, slopes, posterior, level, kind)


def quantities(
    posterior: Draws,
    expressions: Mapping[str, str] | str,
    level: float = 0.95,
    kind: IntervalKind = "eti",
    *,
    draws: bool = False,
) -> pd.DataFrame:
    """Summarise functions of the parameters; see `Posterior.quantities`."""
    given = {expressions: expressions} if isinstance(expressions, str) else dict(expressions)
    if not given:
        raise FitError("quantities: give at least one expression, such as 'sigma^2'")
    named = draws_by_name(posterior)
    found = pd.DataFrame({name: _evaluated(text, named) for name, text in given.items()})
    if draws:
        return found
    low, high = limits(found.to_numpy(), level, kind)
    sizes = [effective_draws(posterior, found[name].to_numpy()) for name in found]
    table = {"Value": found.mean(), "SD": found.std(), "lower": low, "upper": high}
    return pd.DataFrame({**table, "mcse": found.std() / np.sqrt(sizes)}, index=found.columns)


def _evaluated(text: str, named: dict[str, np.ndarray]) -> np.ndarray:
    known, columns = read_expression(text, named)
    if is_statement(known):
        raise FitError(f"quantities: '{text}' is true or false; its probability is hypothesis()")
    return np.broadcast_to(evaluate_number(known, columns), (columns.n,))
