"""Model files: a TOML file with a title, data, an nlme call, and optionally priors and sampling.

A model file holds no code: the call is read by the grammar of `translate`, priors are distributions
with numbers, every key is checked.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from bayeslme.errors import SpecError, as_path
from bayeslme.spec.model import DEFAULT_CONTRASTS, LmeSpec, contrast_name, contrast_pair
from bayeslme.spec.script import translate

if TYPE_CHECKING:
    import pandas as pd

    from bayeslme.fit.result import Fit

MAX_MODEL_FILE_BYTES = 1_000_000
_PRIOR = re.compile(r"[A-Za-z][A-Za-z0-9]*\s*\([\w\s.,=+\-\[\]()]*\)")
_PRESET = re.compile(r"[A-Za-z][A-Za-z0-9-]*(_[A-Za-z0-9-]+)*")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]


def _distribution(text: str) -> str:
    if not _PRIOR.fullmatch(text.strip()) or "__" in text:
        message = f"a prior is a distribution with numbers, 'Normal(mu=0, sigma=10)', not {text!r}"
        raise ValueError(message)
    return text.strip()


def _preset(text: str) -> str:
    if not _PRESET.fullmatch(text):
        message = f"priors are a preset's name or a table of distributions, not {text!r}"
        raise ValueError(message)
    return text


Distribution = Annotated[str, AfterValidator(_distribution)]
Priors = dict[str, Distribution | dict[str, Distribution]]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Sampling(_Section):
    """Options of ``fit.sample``."""

    draws: Annotated[int, Field(strict=True, gt=0, le=1_000_000)] | None = None
    tune: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None
    chains: Annotated[int, Field(strict=True, gt=0, le=1000)] | None = None
    seed: Annotated[int, Field(strict=True, ge=0)] | None = None
    method: Literal["auto", "collapsed", "nuts"] | None = None
    nuts_sampler: Literal["nutpie", "pymc", "numpyro", "blackjax"] | None = None


class _File(_Section):
    """The keys of a model file."""

    title: Text
    data: Text
    call: Text
    description: Text | None = None
    contrasts: list[str] | dict[str, str] | None = None
    priors: Annotated[str, AfterValidator(_preset)] | Priors | None = None
    sampling: _Sampling = _Sampling()
    data2: dict[str, Text] | None = None


@dataclass(frozen=True, repr=False)
class Model:
    """A model file that has been read.

    Attributes
    ----------
    title : str
    spec : LmeSpec
    data : str
        Name of a data set of the package, or the path of a CSV file (relative ones have been
        resolved against the folder of the model file).
    priors : mapping, str or None
        Priors for sampling, as text.
    sampling : mapping
        The options given for ``fit.sample``.
    description : str or None
    """

    title: str
    spec: LmeSpec[Fit]
    data: str
    priors: Mapping[str, Any] | str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None

    def __repr__(self) -> str:
        """Title and call."""
        return f"{self.title}\n{self.spec}"


def load_model(path: str | Path) -> Model:
    """Read a model file.

    Parameters
    ----------
    path : str or Path
        A TOML file with the keys title, data, call, and optionally description, contrasts (R's
        option pair, or factor = contrasts), priors, sampling (draws, tune, chains, seed, method,
        nuts_sampler) and data2 (CSV files of the matrices that the call names, labels in the first
        row and column).

    Returns
    -------
    Model

    Raises
    ------
    SpecError
        For a file that cannot be read, an unknown key, or a value that is not allowed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> text = '''
    ... title = "Growth"
    ... data = "orthodont"
    ... call = "lme(distance ~ age, random = ~ 1 | Subject)"
    ... '''
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "growth.toml"
    ...     _ = path.write_text(text)
    ...     model = load_model(path)
    >>> print(model.spec)
    lme("distance ~ age", data=orthodont, random="~1 | Subject")
    """
    path = as_path(path, SpecError)
    try:
        contents = _File.model_validate(_toml(path))
    except ValidationError as error:
        raise SpecError(f"{path.name}: {_first(error)}") from error
    pair, by_factor = DEFAULT_CONTRASTS, {}
    try:
        if isinstance(contents.contrasts, dict):
            by_factor = {k: contrast_name(v) for k, v in contents.contrasts.items()}
        elif contents.contrasts is not None:
            pair = contrast_pair(contents.contrasts)
        data2 = contents.data2
        matrices = None if data2 is None else {k: _matrix(v, path) for k, v in data2.items()}
        spec = translate(contents.call, pair, matrices)
    except SpecError as error:
        raise SpecError(f"{path.name}: {error}") from error
    return Model(
        title=contents.title,
        spec=replace(
            spec,
            factor_contrasts={**by_factor, **spec.factor_contrasts},
            data=spec.data or Path(contents.data).stem,
        ),
        data=_source(contents.data, path.parent),
        priors=contents.priors,
        sampling=contents.sampling.model_dump(exclude_none=True),
        description=contents.description,
    )


def _toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_MODEL_FILE_BYTES + 1)
    except OSError as error:
        raise SpecError(f"model file {path}: {error.strerror or error}") from error
    if len(raw) > MAX_MODEL_FILE_BYTES:
        raise SpecError(f"model file {path}: larger than {MAX_MODEL_FILE_BYTES} bytes")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SpecError(f"{path.name} is no valid TOML file: {error}") from error


def _first(error: ValidationError) -> str:
    """Put the most telling complaint in words, with the key it is about."""
    unknown, wrong = "extra_forbidden", "value_error"  # a misspelt key is missing too
    complaint = max(
        error.errors(), key=lambda e: (len(_key(e)), e["type"] == unknown, e["type"] == wrong)
    )
    parts = _key(complaint)
    key = ".".join(parts)
    kind = complaint["type"]
    if kind == unknown:
        section = _Sampling if parts[0] == "sampling" and len(parts) > 1 else _File
        near = get_close_matches(parts[-1], section.model_fields, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"unknown key '{key}'{hint}; allowed are {', '.join(section.model_fields)}"
    if kind == "missing":
        return f"the key '{key}' is missing"
    return f"{key}: {complaint['msg'].removeprefix('Value error, ')}"


def _key(complaint: Any) -> tuple[str, ...]:
    """Return the path of a complaint in the file, without pydantic's names for union members."""
    path = [str(part) for part in complaint["loc"]]
    return tuple(
        p for p in path if not p.startswith(("dict[", "function-", "list[")) and p != "str"
    )


def _matrix(name: str, path: Path) -> pd.DataFrame:
    """A matrix from a CSV file beside the model file, labels in its first row and column."""
    import pandas as pd

    file = as_path(path.parent / name, SpecError)
    try:
        matrix = pd.read_csv(file, index_col=0)
    except (OSError, ValueError) as error:
        raise SpecError(f"data2: {name:.100} cannot be read: {str(error)[:100]}") from error
    return matrix.set_axis(matrix.index.astype(str)).set_axis(matrix.columns.astype(str), axis=1)


def _source(data: str, folder: Path) -> str:
    if not data.lower().endswith((".csv", ".csv.gz")):
        return data
    return str(as_path(folder / data, SpecError).resolve())
