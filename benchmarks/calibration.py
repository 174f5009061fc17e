"""Simulation-based calibration over the families of structures.

``python -m benchmarks.calibration [replications] [family ...]`` replicates one specification of
each family from its default priors and writes ``benchmarks/calibration.csv``: a row for every
quantity of every specification, with the mean of its ranks, the p-value of their uniformity, that
adjusted for the quantities of the same specification, and how many replications were annealed, or
not trusted by the sampler itself (they are counted all the same). Families that are not named keep
the rows they have. One process, some 0.02 to 0.25 seconds a replication.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayeslme
from bayeslme import CorAnte, CorAR1, CorAR1AR1, CorToep, VarIdent
from bayeslme.spec.model import LmeSpec
from bayeslme.structures import CorStruct, VarFunc

TABLE = Path(__file__).with_name("calibration.csv")
REPLICATIONS = 500
SEED = 20_170_801


def _first(name: str, column: str, count: int) -> Any:
    """The first groups of a data set."""
    data = bayeslme.load_data(name)
    return data[data[column].isin(data[column].unique()[:count])]


def _growth(extra: str) -> tuple[str, Any]:
    return f"lme(distance ~ I(age - 11), {extra})", bayeslme.load_data("orthodont")


def _gls(extra: str) -> tuple[str, Any]:
    return f"gls(distance ~ I(age - 11), {extra})", bayeslme.load_data("orthodont")


def _families_of_three() -> tuple[Any, Any]:
    """Growth of children, three of a family, with half of their genes in common."""
    data = bayeslme.load_data("orthodont")
    names = sorted(data["Subject"].unique())
    family = np.arange(len(names)) // 3
    related = 0.5 * np.eye(len(names)) + 0.5 * np.equal.outer(family, family)
    matrix = pd.DataFrame(related, index=names, columns=names)
    formula = "distance ~ I(age - 11) + (1 | gr(Subject, cov = A))"
    return bayeslme.translate(f"lmer({formula})", data2={"A": matrix}), data


def _crossed() -> pd.DataFrame:
    """Eight subjects by six items, each pair once, the items in an order of every subject's own."""
    order = np.random.default_rng(SEED).permuted(np.tile(np.arange(6), (8, 1)), axis=1).ravel()
    trial = np.tile(np.arange(1, 7), 8)
    return pd.DataFrame(
        {
            "subject": np.repeat([f"s{k}" for k in range(8)], 6),
            "item": [f"i{k}" for k in order],
            "trial": trial,
            "x": order % 2 - 0.5,
            "half": np.where(trial > 3, "second", "first"),
            "y": np.random.default_rng(SEED + 1).normal(size=48),
        }
    )


def _field() -> pd.DataFrame:
    """A field of five rows and columns, without one plot in seven, in two halves."""
    row, col = np.divmod(np.arange(25), 5)
    field = pd.DataFrame(
        {
            "row": row,
            "col": col,
            "half": np.where(col > 1, "east", "west"),
            "y": np.random.default_rng(SEED).normal(size=25),
        }
    )
    return field[(2 * row + col) % 7 != 0].reset_index(drop=True)


def _trial(correlation: CorStruct, weights: VarFunc | None = None) -> tuple[LmeSpec, Any]:
    data = bayeslme.load_data("orthodont")
    fit = bayeslme.gls("distance ~ I(age - 11)", data, correlation, weights)
    return fit.spec, data


def families() -> dict[str, tuple[str | LmeSpec, Any]]:
    """Name of a family to its call, or specification, and data."""
    series = "follicles ~ sin(2*pi*Time) + cos(2*pi*Time)"
    return {
        "one intercept": ("lme(travel ~ 1, random = ~ 1 | Rail)", bayeslme.load_data("Rail")),
        "nested intercepts": (
            "lme(yield ~ nitro, random = ~ 1 | Block/Variety)",
            bayeslme.load_data("Oats"),
        ),
        "pdSymm": _growth("random = ~ I(age - 11) | Subject"),
        "pdSymm, far from zero": (
            "lme(distance ~ I(age + 1990), random = ~ I(age + 1990) | Subject)",
            bayeslme.load_data("orthodont"),
        ),
        "StudentT coefficients": _growth("random = ~ 1 | Subject"),
        "pdDiag": _growth("random = list(Subject = pdDiag(~ I(age - 11)))"),
        "pdIdent": (
            "lme(score ~ Machine, random = list(Worker = pdBlocked(list(pdIdent(~ 1), "
            "pdIdent(~ Machine - 1)))))",
            bayeslme.load_data("Machines"),
        ),
        "pdCompSymm": (
            "lme(score ~ Machine, random = list(Worker = pdCompSymm(~ Machine - 1)))",
            bayeslme.load_data("Machines"),
        ),
        "PdKnown": _families_of_three(),
        "varIdent, corAR1": (
            "lme(distance ~ Sex * I(age - 11), random = ~ 1 | Subject, "
            "weights = varIdent(form = ~ 1 | Sex), correlation = corAR1())",
            bayeslme.load_data("Orthodont"),
        ),
        "varPower": _growth("random = ~ 1 | Subject, weights = varPower(form = ~ I(age / 11))"),
        "varPower of fitted values": _growth("random = ~ 1 | Subject, weights = varPower()"),
        "varExp": _gls("weights = varExp(form = ~ I(age - 11) | Sex)"),
        "varConstPower": _growth(
            "random = ~ 1 | Subject, weights = varConstPower(form = ~ I(age / 11))"
        ),
        "varFixed, varConstProp": _gls(
            "weights = varComb(varFixed(~ age), varConstProp(form = ~ I(age / 11)))"
        ),
        "corCAR1": _growth("random = ~ 1 | Subject, correlation = corCAR1(form = ~ age | Subject)"),
        "corARMA": (
            f"lme({series}, random = ~ 1 | Mare, correlation = corARMA(p = 1, q = 1))",
            _first("Ovary", "Mare", 4),
        ),
        "corCompSymm": _gls("correlation = corCompSymm(form = ~ 1 | Subject)"),
        "corSymm": _gls("correlation = corSymm(form = ~ 1 | Subject)"),
        "corExp, nugget": _gls("correlation = corExp(form = ~ age | Subject, nugget = TRUE)"),
        "corGaus, nugget": _gls("correlation = corGaus(form = ~ age | Subject, nugget = TRUE)"),
        "corRatio, nugget": _gls("correlation = corRatio(form = ~ age | Subject, nugget = TRUE)"),
        "corLin": _gls("correlation = corLin(form = ~ age | Subject)"),
        "corSpher": (
            "gls(yield ~ 1, correlation = corSpher(form = ~ latitude + longitude))",
            _first("Wheat2", "Block", 1),
        ),
        "corToep": _trial(CorToep(form="~ age | Subject")),
        "corToep, bands": _trial(CorToep(form="~ age | Subject", bands=3)),
        "corAnte, varIdent": _trial(CorAnte(form="~ age | Subject"), VarIdent(form="~ 1 | age")),
        "corAR1 by arm, varIdent": _trial(
            CorAR1(form="~ 1 | Subject", by="Sex"), VarIdent(form="~ 1 | Sex")
        ),
        "corAR1AR1, nugget": (
            bayeslme.gls("y ~ half", _field(), CorAR1AR1(form="~ row + col", nugget=True)).spec,
            _field(),
        ),
        "crossed": ("lmer(y ~ x + (x | subject) + (1 | item))", _crossed()),
        "crossed, varIdent, corAR1": (
            bayeslme.lmer(
                "y ~ x + (1 | subject) + (1 | item)",
                _crossed(),
                correlation=CorAR1(form="~ trial | subject"),
                weights=VarIdent(form="~ 1 | half"),
            ).spec,
            _crossed(),
        ),
    }


PRIORS: dict[str, Any] = {
    "StudentT coefficients": {"fixef": {"I(age - 11)": "StudentT(3, 0, 0.3)"}},
    "varPower of fitted values": {"varfunc": "Normal(0.5, 0.5)"},
}


def calibrate_family(name: str, call: str | LmeSpec, data: Any, replications: int) -> pd.DataFrame:
    """Table of one family, a row for each quantity."""
    start = time.process_time()
    found = bayeslme.calibrate(
        bayeslme.translate(call) if isinstance(call, str) else call, data, replications,
        intervals=["posterior"], priors=PRIORS.get(name), seed=SEED, workers=1, progress=False,
    )  # fmt: skip
    table = found.uniformity.reset_index()
    table.insert(0, "family", name)
    table["replications"] = len(found.ranks)
    table["annealed"] = int((found.draws_by["route"] == "annealed").sum())
    table["uncertified"] = found.uncertified
    table["seconds"] = round(time.process_time() - start, 1)
    return table.round({"mean_rank": 3, "p": 4, "p_holm": 4})


def main(arguments: list[str]) -> None:
    """Replicate, print, and store after every family."""
    known = families()
    replications = int(arguments[0]) if arguments else REPLICATIONS
    for name in arguments[1:] or list(known):
        table = calibrate_family(name, *known[name], replications)
        rest = pd.read_csv(TABLE) if TABLE.exists() else table.iloc[:0]
        kept = pd.concat([rest[rest["family"] != name], table])
        order = {family: k for k, family in enumerate(known)}
        kept = kept.sort_values("family", key=lambda f: f.map(order), kind="stable")
        kept.to_csv(TABLE, index=False)
        seconds, uncertified = table["seconds"].iloc[0], table["uncertified"].iloc[0]
        print(
            f"{name:<20}{seconds:>8} s{uncertified:>5} not certified, "
            f"least adjusted p {table['p_holm'].min():.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
