"""The figure of the README: ``python docs/figures.py`` writes ``docs/growth.png``."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

import bayeslme


def main() -> None:
    """Fit the README's model, sample its posterior and draw both side by side."""
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme(
        "distance ~ Sex * I(age - 11)",
        data,
        random="~ 1 | Subject",
        weights=bayeslme.VarIdent(form="~ 1 | Sex"),
    )
    axes = bayeslme.compare(fit, fit.sample(seed=1964, progress=False)).plot()
    target = Path(__file__).with_name("growth.png")
    axes[0].figure.savefig(target, dpi=90, metadata={"Software": None})


if __name__ == "__main__":
    mpl.use("Agg")
    main()
