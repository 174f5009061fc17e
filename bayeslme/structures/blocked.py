"""Independent blocks of random effects, which is also how nlme writes crossed ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import SpecError
from bayeslme.structures.base import Parameter
from bayeslme.structures.random import PdMat, PdSymm
from bayeslme.structures.supports import Namespace


@dataclass(frozen=True, init=False)
class PdBlocked(PdMat):
    """Independent blocks of effects, each with a structure of its own.

    Parameters
    ----------
    blocks : sequence of PdMat or of formula texts

    Examples
    --------
    >>> import bayeslme
    >>> from bayeslme import PdIdent
    >>> data = bayeslme.load_data("Oats")
    >>> fit = bayeslme.lme(
    ...     "yield ~ nitro", data, {"Block": PdBlocked([PdIdent("~ 1"), PdIdent("~ Variety - 1")])}
    ... )
    >>> fit.varcorr()["Block"].sd.round(2).unique().tolist()
    [14.51, 11.0]
    """

    blocks: tuple[PdMat, ...]
    sizes: tuple[int, ...] | None
    r_name: ClassVar[str] = "pdBlocked"
    description: ClassVar[str | None] = "Blocked"
    composed = True
    r_call: ClassVar[str] = "pdBlocked(list({}))"
    python_call: ClassVar[str] = "PdBlocked([{}])"

    def __init__(self, blocks: Sequence[Any], sizes: tuple[int, ...] | None = None) -> None:
        if isinstance(blocks, (str, PdMat)) or not blocks:
            msg = "pdBlocked needs a list of blocks, such as list(pdIdent(~ 1), pdIdent(~ a - 1))"
            raise SpecError(msg)
        made = tuple(b if isinstance(b, PdMat) else PdSymm(form=b) for b in blocks)
        related = next((b for b in made if b.relates_groups), None)
        if related is not None:
            msg = (
                f"pdBlocked: a block is a covariance within groups, and {related.r_name} has one "
                "among them; make it an element of random=[...], on a copy of the column"
            )
            raise SpecError(msg)
        object.__setattr__(self, "blocks", made)
        object.__setattr__(self, "sizes", sizes)

    form = None
    value = None

    def with_sizes(self, sizes: Sequence[int]) -> PdBlocked:
        """Return the same blocks, each with its number of effects, which the data tell."""
        return PdBlocked(self.blocks, tuple(sizes))

    @property
    def components(self) -> tuple[PdMat, ...]:
        return self.blocks

    def with_components(self, components: Iterable[PdMat]) -> PdBlocked:
        """Return the same structure of other blocks."""
        return PdBlocked(tuple(components), self.sizes)

    def parts(self, q: int) -> list[tuple[PdMat, slice]]:
        return [(block, rows) for block, rows, _ in self._pieces()]

    def _pieces(self) -> list[tuple[PdMat, slice, slice]]:
        if self.sizes is None:
            msg = "pdBlocked: the sizes of the blocks are known only once data are there"
            raise SpecError(msg)
        out, row, col = [], 0, 0
        for block, q in zip(self.blocks, self.sizes, strict=True):
            k = block.size(q)
            out.append((block, slice(row, row + q), slice(col, col + k)))
            row, col = row + q, col + k
        return out

    def basis(self, z: np.ndarray) -> np.ndarray:
        out = np.zeros((z.shape[1], z.shape[1]))
        for block, rows, _ in self._pieces():
            out[rows, rows] = block.basis(z[:, rows])
        return out

    def size(self, q: int) -> int:
        return sum(block.size(rows.stop - rows.start) for block, rows, _ in self._pieces())

    def require_data(self, q: int, largest: int, n: int, group: str) -> None:
        for block, rows, _ in self._pieces():
            block.require_data(rows.stop - rows.start, largest, n, group)

    def _assemble(self, parts: list[Array], xp: Namespace) -> Array:
        total = sum(self.sizes or ())
        rows, at = [], 0
        for part, q in zip(parts, self.sizes or (), strict=True):
            filler = part[..., :, :1] * 0.0
            left, right = [filler] * at, [filler] * (total - at - q)
            rows.append(xp.concatenate([*left, part, *right], axis=-1))
            at += q
        return xp.concatenate(rows, axis=-2)

    def factor(self, u: Array, basis: np.ndarray, xp: Namespace = NUMPY) -> Array:
        return self._assemble(
            [b.factor(u[..., cols], basis[rows, rows], xp) for b, rows, cols in self._pieces()], xp
        )

    def nearest(self, cov: np.ndarray, basis: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [b.nearest(cov[rows, rows], basis[rows, rows]) for b, rows, _ in self._pieces()]
        )

    def natural_parameters(self, effects: Sequence[str], label: str) -> tuple[Parameter, ...]:
        return tuple(
            p
            for b, rows, _ in self._pieces()
            for p in b.natural_parameters(effects[rows], _label(b) or label)
        )

    def to_natural(self, cov: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [b.to_natural(cov[..., rows, rows]) for b, rows, _ in self._pieces()], axis=-1
        )

    def natural_factor(self, par: Array, q: int, xp: Namespace = NUMPY) -> Array:
        return self._assemble(
            [
                b.natural_factor(par[..., cols], rows.stop - rows.start, xp)
                for b, rows, cols in self._pieces()
            ],
            xp,
        )


def _label(block: PdMat) -> str:
    """Right-hand side of a block's own formula."""
    return "" if block.form is None else str(block.form).replace("~", "", 1).strip()
