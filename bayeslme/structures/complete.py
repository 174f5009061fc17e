"""Refuse an incomplete structure when its class is created.

Some methods belong together: who changes the map to the natural scale must change its inverse, its
Jacobian and the scale of intervals too. A forgotten one would give wrong posteriors and limits
without any error, so a class that lacks one cannot be created.
"""

from __future__ import annotations

from bayeslme.errors import SpecError

# A class that overrides the first method must override the others too. A base class may have done
# so only if it overrides the first one as well.
ROW_FAMILIES = (
    ("constrain", ("unconstrain", "log_jacobian", "to_interval_scale", "from_interval_scale")),
    ("to_interval_scale", ("from_interval_scale",)),
    ("from_interval_scale", ("to_interval_scale",)),
)
RANDOM_FAMILIES = (
    ("size", ("factor", "nearest", "natural_parameters", "to_natural", "natural_factor")),
    ("factor", ("nearest",)),
    ("nearest", ("factor",)),
    ("to_natural", ("natural_factor",)),
    ("natural_factor", ("to_natural",)),
)
Families = tuple[tuple[str, tuple[str, ...]], ...]


def check_row_structure(cls: type, base: type) -> None:
    """Refuse an incomplete variance function or correlation structure.

    Parameters
    ----------
    cls : type
        The class that is created.
    base : type
        The class whose methods may be left as they are.

    Raises
    ------
    SpecError
        Names the methods, or the class attribute, that are missing.
    """
    _check_families(cls, base, ROW_FAMILIES)
    _check_whole(cls)


def check_random_structure(cls: type, base: type) -> None:
    """Refuse an incomplete covariance of random effects; see ``check_row_structure``."""
    _check_families(cls, base, RANDOM_FAMILIES)
    _check_whole(cls)


def _check_families(cls: type, base: type, families: Families) -> None:
    for leader, others in families:
        depth = _depth(cls, leader, base)
        if depth is None:
            continue
        depths = {name: _depth(cls, name, base) for name in others}
        missing = [name for name, own in depths.items() if own is None or own > depth]
        if missing:
            raise SpecError(
                f"class {cls.__name__} overrides '{leader}': override {_listed(missing)} too; "
                "those of its base class belong to another map"
            )


def _check_whole(cls: type) -> None:
    """Refuse a class that names itself and has abstract methods left, or the other way round."""
    abstract = sorted(
        name for name in dir(cls) if getattr(getattr(cls, name, None), "__isabstractmethod__", 0)
    )
    named = isinstance(getattr(cls, "r_name", None), str)
    if named and abstract:
        raise SpecError(f"class {cls.__name__}: define {_listed(abstract)}")
    if not named and not abstract:
        raise SpecError(
            f"class {cls.__name__}: define 'r_name', the name by which R calls, errors and printed "
            f"pages know it, such as '{cls.__name__[:1].lower()}{cls.__name__[1:]}'"
        )


def _depth(cls: type, name: str, base: type) -> int | None:
    """How far up the class order a method is overridden; None where only ``base`` has it."""
    for at, owner in enumerate(cls.__mro__):
        if owner is base:
            return None
        if name in vars(owner):
            return at
    return None


def _listed(names: list[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
