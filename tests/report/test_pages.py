"""Layouts that the printed pages of the fits do not have: blocks, symmetry, combined variances."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayeslme.report.pages import groups_text
from bayeslme.report.parts import random_text, variance_text
from bayeslme.report.records import RandomBlock, RandomPart, VariancePart
from bayeslme.report.tables import intervals_text, varcorr_text
from bayeslme.structures import PdCompSymm, PdIdent, PdMat

MACHINES = ["MachineA", "MachineB", "MachineC"]


def block(structure: type[PdMat], sd: list[float], corr: float = 0.0) -> RandomBlock:
    names = MACHINES[: len(sd)] if len(sd) > 1 else ["(Intercept)"]
    matrix = np.full((len(sd), len(sd)), corr) + (1 - corr) * np.eye(len(sd))
    rhs = "Machine - 1" if len(sd) > 1 else "1"
    return RandomBlock(
        f"~{rhs} | Worker",
        structure.r_name,
        structure.description,
        rhs,
        pd.Series(sd, names),
        pd.DataFrame(matrix, names, names),
        structure.layout,
    )


def test_blocked_effects() -> None:
    # lme(score ~ Machine, Machines,
    #     list(Worker = pdBlocked(list(pdIdent(~1), pdIdent(~Machine-1)))))
    blocks = (
        block(PdIdent, [4.7810506]),
        block(PdIdent, [3.7295385] * 3),
    )
    part = RandomPart("Worker", blocks)
    assert random_text([part], 0.9615766) == (
        "Random effects:\n"
        " Composite Structure: Blocked\n"
        "\n"
        " Block 1: (Intercept)\n"
        " Formula: ~1 | Worker\n"
        "        (Intercept)\n"
        "StdDev:    4.781051\n"
        "\n"
        " Block 2: MachineA, MachineB, MachineC\n"
        " Formula: ~Machine - 1 | Worker\n"
        " Structure: Multiple of an Identity\n"
        "        MachineA MachineB MachineC  Residual\n"
        "StdDev: 3.729538 3.729538 3.729538 0.9615766\n"
    )
    first = varcorr_text([part], 0.9615766).splitlines()[0]
    assert first == "Worker = pdIdent(1), pdIdent(Machine - 1) "


def test_compound_symmetry_has_no_short_names() -> None:
    one = block(PdCompSymm, [6.0636541] * 3, 0.6217)
    part = RandomPart("Worker", (one,))
    assert random_text([part], 0.9615766) == (
        "Random effects:\n"
        " Formula: ~Machine - 1 | Worker\n"
        " Structure: Compound Symmetry\n"
        "         StdDev    Corr       \n"
        "MachineA 6.0636541            \n"
        "MachineB 6.0636541 0.622      \n"
        "MachineC 6.0636541 0.622 0.622\n"
        "Residual 0.9615766            \n"
    )


def test_three_levels_of_groups() -> None:
    groups = pd.Series({"a": 6, "b %in% a": 18, "c %in% b %in% a": 36})
    assert groups_text(72, groups).splitlines()[1] == "Number of Groups: "
    assert groups_text(72, groups.iloc[:1]).endswith("Number of Groups: 6 ")


def test_intervals_in_part() -> None:
    frame = pd.DataFrame([[0.5, 1.0, 2.0]], ["sigma"], ["lower", "est.", "upper"])
    text = intervals_text({"sigma": frame}, 0.9, "gls", ("one thing",))
    assert text.splitlines()[0] == "Approximate 90% confidence intervals"
    assert " Residual standard error:\nlower  est. upper \n  0.5   1.0   2.0 " in text
    assert text.endswith("Note: one thing")


def test_a_constant_and_a_power_by_stratum_are_a_table() -> None:
    """nlme's page of gls(rate ~ ..., Dialyzer, weights = varConstPower(form = ~ pressure | QB))."""
    names = ["const.200", "const.300", "power.200", "power.300"]
    coef = pd.Series([1.081367, 1.119371, 1.178239, 1.876186], index=names)
    part = VariancePart("Constant plus power of variance covariate", "~pressure | QB", coef, True)
    assert variance_text([part]).splitlines()[-4:] == [
        " Parameter estimates:",
        "           200      300",
        "const 1.081367 1.119371",
        "power 1.178239 1.876186",
    ]


def test_combined_variance_function() -> None:
    # gls(distance ~ age, Orthodont, weights = varComb(varIdent(~1 | Sex), varPower(~age | Sex)))
    parts = (
        VariancePart("One label", "~1 | Sex", pd.Series({"Male": 1.0, "Female": 1.021573})),
        VariancePart("Another", "~age | Sex", pd.Series({"Male": 0.5})),
        VariancePart("A third", "~age", pd.Series(dtype=float)),
    )
    assert variance_text(parts).splitlines() == [
        "Combination of variance functions: ",
        " Structure: One label",
        " Formula: ~1 | Sex ",
        " Parameter estimates:",
        "    Male   Female ",
        "1.000000 1.021573 ",
        " Structure: Another",
        " Formula: ~age | Sex ",
        " Parameter estimates:",
        "Male ",
        " 0.5 ",
        " Structure: A third",
        " Formula: ~age ",
    ]
