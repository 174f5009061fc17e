"""The large-sample distribution of a likelihood ratio where one random effect is added.

References
----------
Stram and Lee (1994), Biometrics 50, 1171.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.special import chdtrc

from bayeslme.fit.comparison import fixed_terms

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit


def mixture_tail(ratio: float, df: tuple[int, int]) -> float:
    """Upper tail of chi2_a / 2 + chi2_b / 2; chi2_0 is the point 0.

    Examples
    --------
    >>> round(mixture_tail(2.7055, (0, 1)), 4)
    0.05
    """
    tails = [float(chdtrc(a, max(ratio, 0.0))) if a else float(ratio <= 0) for a in df]
    return 0.5 * sum(tails)


def mixture_of(null: Fit, alternative: Fit, df: int) -> tuple[int, int] | None:
    """Degrees of freedom of the mixture where one random effect is added, and nothing else."""
    small, large = (
        {lv.group: lv.effects for lv in one.design.levels} for one in (null, alternative)
    )
    changed = [g for g in large if small.get(g) != large[g]]
    rows = [
        one.estimate.problem.size - one.estimate.problem.theta_correlation.start
        for one in (null, alternative)
    ]
    same_rest = fixed_terms(null) == fixed_terms(alternative) and rows[0] == rows[1]
    if not same_rest or len(changed) != 1 or set(small) - set(large):
        return None
    added = len(large[changed[0]]) - len(small.get(changed[0], ()))
    return (df - 1, df) if added == 1 else None
