"""An incomplete structure is refused when its class is created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from bayeslme.errors import SpecError
from bayeslme.structures import CorStruct, CorSymm, Parameter, PdDiag, PdMat, VarFunc
from bayeslme.structures.supports import CORRELATION, POSITIVE


def same(self: Any, *args: Any) -> Any:
    return args[0]


JOINT = ("constrain", "unconstrain", "log_jacobian", "to_interval_scale", "from_interval_scale")


def correlation_class(*methods: str) -> type:
    """A correlation structure that overrides these methods of the joint map."""

    def parameters(self: Any, coords: Any) -> tuple[Parameter, ...]:
        return (Parameter("a", CORRELATION, 0.0), Parameter("b", CORRELATION, 0.0))

    def correlation(self: Any, par: Any, pairs: Any, xp: Any = None) -> Any:
        return np.zeros(pairs.distance.shape)

    body = dict.fromkeys(methods, same)
    given = {"parameters": parameters, "correlation": correlation, "r_name": "corJoint"}
    return type("CorJoint", (CorStruct,), {**given, **body})


@pytest.mark.parametrize("forgotten", JOINT[1:])
def test_a_joint_family_names_the_method_it_lacks(forgotten: str) -> None:
    kept = [name for name in JOINT if name != forgotten]
    with pytest.raises(SpecError) as error:
        correlation_class(*kept)
    assert f"override '{forgotten}' too" in str(error.value) and "CorJoint" in str(error.value)


def test_all_missing_methods_are_named_at_once() -> None:
    with pytest.raises(SpecError) as error:
        correlation_class("constrain")
    assert all(f"'{name}'" in str(error.value) for name in JOINT[1:])
    assert len(str(error.value)) < 300


def test_a_whole_joint_family_and_an_ordinary_one_are_accepted() -> None:
    assert correlation_class(*JOINT) and correlation_class()


def test_the_jacobian_of_a_base_class_does_not_serve_another_map() -> None:
    with pytest.raises(SpecError, match="'log_jacobian'"):
        type("CorOther", (CorSymm,), {"constrain": same})
    assert type("CorRenamed", (CorSymm,), {"r_name": "corRenamed"})


def test_a_scale_of_intervals_needs_its_inverse() -> None:
    with pytest.raises(SpecError, match="'from_interval_scale'"):
        correlation_class("to_interval_scale")


def test_the_formula_must_be_there() -> None:
    with pytest.raises(SpecError, match="class VarNothing: define 'log_sd'"):

        @dataclass(frozen=True)
        class VarNothing(VarFunc):
            form: str = "~ x"
            r_name: ClassVar[str] = "varNothing"

            def parameters(self, coords: Any) -> tuple[Parameter, ...]:
                return (Parameter("slope", POSITIVE, 0.1),)


def test_the_name_must_be_there() -> None:
    with pytest.raises(SpecError, match=r"class VarNameless: define 'r_name'.*'varNameless'"):

        class VarNameless(VarFunc):
            form: str = "~ x"

            def parameters(self, coords: Any) -> tuple[Parameter, ...]:
                return ()

            def log_sd(self, par: Any, coords: Any, xp: Any = None) -> Any:
                return 0.0 * coords.covariate


@pytest.mark.parametrize(
    ("overridden", "missing"),
    [
        ("factor", "nearest"),
        ("nearest", "factor"),
        ("to_natural", "natural_factor"),
        ("natural_factor", "to_natural"),
        ("size", "natural_parameters"),
    ],
)
def test_maps_of_random_effects_come_in_pairs(overridden: str, missing: str) -> None:
    with pytest.raises(SpecError, match=f"overrides '{overridden}'.*'{missing}'"):
        type("PdOther", (PdDiag,), {overridden: same})


def test_a_covariance_of_random_effects_names_what_it_lacks() -> None:
    with pytest.raises(SpecError, match="class PdHalf: define 'factor', 'natural_factor'"):
        type("PdHalf", (PdMat,), {"r_name": "pdHalf"})
