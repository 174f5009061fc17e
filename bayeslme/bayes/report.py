"""A self-contained HTML report of a fit and its posterior."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayeslme.bayes.compare import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayeslme.bayes.posterior import Posterior
    from bayeslme.fit.result import Fit

_STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;"
    "color:#222;background:#fff}"
    "pre{overflow-x:auto;background:#f5f5f5;padding:.8em;font-size:85%}img{max-width:100%}h2{margin-top:2em}"
)


def write_report(
    path: Path, title: str, description: str, fit: Fit, posterior: Posterior | None = None
) -> None:
    """Write tables and plots into one HTML file that needs nothing else.

    Parameters
    ----------
    path : Path
    title, description : str
    fit : Fit
    posterior : Posterior, optional
    """
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{escape(description)}</p>", _fit_part(fit)]
    if posterior is not None:
        parts.append(_posterior_part(fit, posterior))
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    path.write_text(
        f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>",
        encoding="utf-8",
    )


def _fit_part(fit: Fit) -> str:
    axes = fit.plot.residuals()
    image = _image(axes[0].figure, "Standardized residuals against fitted values")
    calls = f"{fit.spec}\n\n{fit.spec.to_r()}"
    return "".join(
        [
            f"<h2>Estimates</h2>{_text(calls)}{_text(fit.summary())}{image}",
            f"<h3>Tests of terms</h3>{_text(fit.anova())}",
        ]
    )


def _posterior_part(fit: Fit, posterior: Posterior) -> str:
    forest = _image(posterior.plot.forest(), "Posterior intervals")
    trace = _image(posterior.plot.trace(), "Traces and densities")
    check = _image(posterior.plot.ppc(), "Replicated responses over the observed ones")
    table = _text(compare(fit, posterior))
    return "".join(
        [
            f"<h2>Posterior</h2>{_text(posterior.summary())}",
            f"<h2>{escape(fit.method)} and posterior</h2>{table}",
            f"<h2>Plots</h2>{forest}{trace}<h2>Posterior predictive check</h2>{check}",
        ]
    )


def _text(shown: Any) -> str:
    return f"<pre>{escape(str(shown))}</pre>"


def _image(drawn: Any, caption: str) -> str:
    """Embed a figure, matplotlib's or that of an ArviZ ``PlotCollection``, and close it."""
    import matplotlib.pyplot as plt

    figure: Figure = drawn.viz["figure"].item() if hasattr(drawn, "viz") else drawn
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    image = f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"
