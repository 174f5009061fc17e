"""Starting values that survive ``pm.do``, ``pm.observe`` and ``model.copy``.

PyMC refuses to convert a model whose variables have an ``initval``. A variable without one starts
at the support point of its distribution, so the starting value becomes that support point here.

This module imports PyMC; it is itself imported only while a model is built.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.distribution import _support_point
from pytensor.graph.basic import Apply

Tensor = Any


class Started:
    """An operation that draws, whose support point is chosen.

    Attributes
    ----------
    start : array
    """

    start: np.ndarray = np.zeros(())


@_support_point.register(Started)
def _start_of(op: Started, variable: Tensor, *_: Tensor) -> Tensor:
    return pt.constant(op.start)


@cache
def _started(kind: type) -> Any:
    """The class of an operation with a support point of its own."""
    return type(kind.__name__, (Started, kind), {})


def starting_at(variable: Tensor, start: np.ndarray) -> Tensor:
    """The same random variable with another support point.

    Parameters
    ----------
    variable : tensor
        An unregistered random variable, as ``dist`` gives it.
    start : array
        Of the shape of one draw.
    """
    node = variable.owner
    own: Any = type(node.op)
    kind = _started(own)
    op = kind.__new__(kind)
    vars(op).update(vars(node.op))
    op.start = np.asarray(start, dtype=float)
    drawn = Apply(op, node.inputs, [output.clone() for output in node.outputs])
    return drawn.outputs[node.outputs.index(variable)]
