from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import bayeslme
from bayeslme.bayes.posterior.plots import PlainLabeller
from bayeslme.errors import SpecError


@pytest.fixture(autouse=True)
def closed() -> Any:
    yield
    plt.close("all")


@pytest.mark.parametrize("name", ["trace", "dist", "prior", "sensitivity"])
def test_panels_leave_room_for_their_titles(name: str, collapsed: Any) -> None:
    options = {"seed": 1, "draws": 200} if name == "prior" else {}
    figure = getattr(collapsed.plot, name)(**options).viz["figure"].item()
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in figure.axes if ax.get_visible() and ax.axison]
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            width = min(one.x1, other.x1) - max(one.x0, other.x0)
            height = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert width <= 2 or height <= 2  # pixels


def test_the_prior_is_beside_the_posterior(collapsed: Any) -> None:
    figure = collapsed.plot.prior(draws=500, seed=1, var_names=["corstruct"]).viz["figure"].item()
    (ax,) = (a for a in figure.axes if a.lines)
    spans = sorted(float(np.ptp(line.get_xdata())) for line in ax.lines)
    assert spans[-1] > 1.8  # the prior is uniform on (-1, 1)
    assert spans[0] < 1.5


def test_the_prior_predictive_has_the_observed_response_on_it(collapsed: Any) -> None:
    figure = collapsed.plot.prior_predictive(draws=50, seed=1, num_samples=20).viz["figure"].item()
    (ax,) = figure.axes
    assert len(ax.lines) == 21


def test_dollars_in_names_are_no_mathematics(collapsed: Any) -> None:
    labels = PlainLabeller()
    name = labels.make_label_vert("sd_$x^{2$", {"effect": "$$"}, {"effect": 0})
    assert plt.figure().text(0, 0, name)._preprocess_math(name) == ("sd_$x^{2$\n$$", False)
    assert collapsed.plot._named({})["labeller"].var_name_to_str("$") == labels.var_name_to_str("$")
    own = object()
    assert collapsed.plot._named({"labeller": own})["labeller"] is own
    assert "labeller" not in collapsed.plot._named({"backend": "plotly"})


@pytest.mark.parametrize(
    "call",
    [
        "lm(distance ~ 0)",
        "gls(distance ~ age, control = glsControl(sigma = 2))",
        "lm(distance ~ 1)",
    ],
)
def test_sensitivity_of_one_variable(call: str, orthodont: Any) -> None:
    drawn = bayeslme.translate(call).fit(orthodont).sample(draws=100, chains=2, seed=1)
    names = set(drawn.data["posterior"].data_vars)
    figure = drawn.plot.sensitivity().viz["figure"].item()
    titles = " ".join(ax.get_title() + ax.get_ylabel() for ax in figure.axes)
    assert any(name in titles for name in names)
    assert "unused" not in titles
    assert set(drawn.data["posterior"].data_vars) == names


def test_flat_priors_cannot_be_scaled(orthodont: Any) -> None:
    drawn = bayeslme.lm("distance ~ age", orthodont).sample(draws=100, chains=2, priors="flat")
    for scaled in (drawn.plot.sensitivity, drawn.sensitivity):
        with pytest.raises(SpecError, match="fixef, sigma is constant"):
            scaled()
