"""The command line: fit model files, list them. What is heavy is imported where it is used."""

from __future__ import annotations

import os
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from bayeslme.errors import BayesLMEError, DataError, SpecError, as_path

if TYPE_CHECKING:
    import pandas as pd

    from bayeslme.spec.modelfile import Model

MODELS = Path("models")
MAX_CSV_BYTES = 2**33  # 8 GB: what is larger does not fit in memory beside its model
UNWRAPPED_WIDTH = 1000  # characters, more than any title has, so that no line is wrapped


class _Commands(TyperGroup):
    """Commands that end with a message where their output cannot be written, as on a full disk."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command; errors of files that it reads or writes are named where they occur."""
        try:
            return super().main(*args, **options)
        except OSError as error:
            _discard_output()
            what = error.filename or "the output cannot be written"
            reason = error.strerror or type(error).__name__
            with suppress(OSError):  # there may be no room for the message either
                print(f"error: {what}: {reason}", file=sys.stderr)
                sys.stderr.flush()
            sys.exit(1)


def _discard_output() -> None:
    """Send what is still held for standard output nowhere: Python would fail at its exit too."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=_Commands,
    help="Linear mixed models as in R's nlme, with their posteriors.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from bayeslme import __version__

        typer.echo(f"bayeslme {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Linear mixed models as in R's nlme, with their posteriors."""


@app.command()
def fit(
    file: Annotated[Path, typer.Argument(help="A model file, such as models/orthodont.toml.")],
    sample: Annotated[
        bool, typer.Option("--sample/--no-sample", help="Also sample the posterior.")
    ] = True,
    draws: Annotated[int | None, typer.Option(min=1, help="Draws of each chain.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all draws.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="A CSV file in place of the model's data.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for posterior.nc and report.html; files of these names are replaced."
        ),
    ] = None,
) -> None:
    """Fit a model file: nlme's summary, then the posterior beside it."""
    for name, value in (("--draws", draws), ("--seed", seed)):
        if value is not None and not sample:
            raise typer.BadParameter("nothing is drawn with --no-sample", param_hint=f"'{name}'")
    try:
        _fit(file, sample=sample, draws=draws, seed=seed, data=data, out=out)
    except BayesLMEError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error


def _fit(
    file: Path,
    *,
    sample: bool,
    draws: int | None,
    seed: int | None,
    data: Path | None,
    out: Path | None,
) -> None:
    from bayeslme.spec.modelfile import load_model

    model = load_model(file)
    if model.spec.function == "lmList" and (sample or out is not None):
        msg = f"{file}: separate fits by group have no posterior and no report; say --no-sample"
        raise SpecError(msg)
    if out is not None:
        _make(out)  # before the work that is to be kept there
    fitted = model.spec.fit(read_data(model, data))
    typer.echo(f"{model.title}\n")
    typer.echo(str(fitted if model.spec.function == "lmList" else fitted.summary()))
    posterior, written = None, []
    if sample:
        options: dict[str, Any] = {**model.sampling, "priors": model.priors}
        options |= {k: v for k, v in (("draws", draws), ("seed", seed)) if v is not None}
        posterior = fitted.sample(progress=_announced(), **options)
        if out is not None:  # before anything else can go wrong
            written.append(_saved(posterior, out / "posterior.nc"))
        _tell(fitted, posterior)
    if out is not None:
        from bayeslme.bayes.report import write_report

        page = out / "report.html"
        replaced = page.exists()
        write_report(page, model.title, model.description or "", fitted, posterior)
        written.append(_said(page, replaced))
        typer.echo(f"\nWritten: {', '.join(written)}")


def _announced() -> bool:
    """Say that sampling begins; whether a progress bar has somewhere to be."""
    typer.echo("\nSampling the posterior ...", err=True)
    return sys.stderr.isatty()


def _saved(posterior: Any, path: Path) -> str:
    replaced = path.exists()
    posterior.save(path)
    return _said(path, replaced)


def _said(path: Path, replaced: bool) -> str:
    return f"{path} (replaced)" if replaced else str(path)


def _tell(fitted: Any, posterior: Any) -> None:
    from bayeslme.bayes.compare import compare

    typer.echo(f"\n{posterior.priors}\n")
    typer.echo(f"{fitted.method} and posterior (mean, standard deviation, 95% limits)\n")
    typer.echo(str(compare(fitted, posterior)))
    typer.echo(f"\n{diagnostics(posterior)}")
    for note in posterior.summary().notes:
        typer.echo(f"Note: {note}")


def diagnostics(posterior: Any) -> str:
    """How a posterior was drawn, and how well, in one line."""
    summary = posterior.summary()
    tables = [t for t in (summary.fixed, *summary.variance.values()) if len(t)]
    least = min(float(t["ess_bulk"].min()) for t in tables)
    worst = [v for t in tables for v in t["r_hat"].dropna()]
    route = posterior.data["sample_stats"].attrs["route"]
    text = f"Draws: {route}; effective number at least {least:.0f}"
    return f"{text}, R-hat at most {max(worst):.3f}" if worst else text


def _check_regular(source: str) -> None:
    """Refuse what has no end (``/dev/zero``), or more than memory holds, before it is read."""
    path = as_path(source)
    if path.exists() and not path.is_file():
        msg = f"data: {source} is not a regular file; give the path of a CSV file"
        raise DataError(msg)
    if path.exists() and path.stat().st_size > MAX_CSV_BYTES:
        msg = (
            f"data: {source} has {path.stat().st_size} bytes, and at most {MAX_CSV_BYTES} are read"
        )
        raise DataError(msg)


def read_data(model: Model, path: Path | None = None) -> pd.DataFrame:
    """Data frame of a model: a CSV file, or a data set of the package.

    Parameters
    ----------
    model : Model
    path : Path, optional

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    source = str(path) if path is not None else model.data
    if not source.lower().endswith((".csv", ".csv.gz")) and path is None:
        from bayeslme.data.datasets import load_data

        return load_data(source)
    import pandas as pd

    try:
        _check_regular(source)
        return pd.read_csv(source)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        msg = f"data: {source} cannot be read as CSV: {str(error).strip()}"
        raise DataError(msg) from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"out: the folder {folder} cannot be made: {error.strerror}"
        raise DataError(msg) from error


@app.command(name="list")
def list_models(
    folder: Annotated[Path, typer.Argument(help="Folder of model files.")] = MODELS,
) -> None:
    """List the model files of a folder with their titles."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from bayeslme.spec.modelfile import load_model

    files = sorted(folder.glob("*.toml"))
    if not files:
        msg = f"error: no model files (*.toml) in {folder}; name the folder: bayeslme list FOLDER"
        typer.secho(msg, fg=typer.colors.RED, err=True)
        raise typer.Exit(1)
    table = Table(Column("file", overflow="fold"), "model", "data")
    for path in files:
        try:
            model = load_model(path)
        except BayesLMEError as error:
            table.add_row(Text(str(path)), Text(str(error).splitlines()[0], style="red"), "")
            continue
        table.add_row(Text(str(path)), Text(model.title), Text(Path(model.data).name))
    console = Console()
    if not console.is_terminal:  # what reads a pipe wants whole lines
        console.width = UNWRAPPED_WIDTH
    console.print(table)
