"""The commands and their options. Imports of the package are inside the commands, so that `--help` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.bench import bench
from harness.cli.evaluate import evaluate
from harness.cli.guard import guarded
from harness.cli.init import init
from harness.cli.options import Json, Overrides, Trust
from harness.cli.plan import plan
from harness.cli.rank import rank
from harness.cli.replay import replay
from harness.cli.runs import remove, runs
from harness.runtime import quick_imports

__all__ = ["app"]

app = typer.Typer(
    name="harness",
    help="Sweeps and benchmarks for fine-tuning pretrained models.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, runs/STUDY.")]
Require = Annotated[
    list[str] | None,
    typer.Option("--require", metavar="'METRIC >= NUMBER'", help="Exit 1 unless the winner's test score meets it."),
]


def _show_version(asked: bool) -> None:
    if not asked:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        typer.echo(f"harness {version('finetune-harness')}")
    except PackageNotFoundError:
        typer.echo("harness (not installed, so without a version)")
    raise typer.Exit


@app.callback()
def before_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Declares the options that need no command."""


@app.command()
@guarded
def sweep(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="A study file, or a bundled study: quickstart.")],
    overrides: Overrides = None,
    engine: Annotated[str | None, typer.Option(help="Where trials run: local, ray or inline.")] = None,
    trials: Annotated[str | None, typer.Option(metavar="N", help="The total of search trials.")] = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where run folders are.")] = Path("runs"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Move an earlier run aside and begin again.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Tell where the time went; RUN/profile.json.")] = False,
    required: Require = None,
) -> None:
    """Run a study, or continue it where it stopped."""
    with quick_imports():
        from harness.cli.sweep import run_sweep
        from harness.jobs.refusals import mistakes_of_files
        from harness.spec.reader import load_study

    changes = list(overrides or ())
    changes += [f"engine.name={engine}"] if engine is not None else []
    changes += [f"search.trials={trials}"] if trials is not None else []
    spec = load_study(study, changes, mistakes_of_files)
    options = ["--runs", str(runs)] if runs != Path("runs") else []
    command = ["harness", "sweep", str(study), *changes, *options]
    run_sweep(spec, runs=runs, fresh=fresh, command=command, profile=profile, required=required or ())


@app.command()
@guarded
def results(
    run: Run,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="The leaderboard as CSV.")] = False,
    required: Require = None,
) -> None:
    """Show the leaderboard and the winner of a run."""
    from harness.cli.show import show_results

    show_results(run, as_json=as_json, as_csv=as_csv, required=required or ())


@app.command()
@guarded
def status(run: Run) -> None:
    """Watch a run that another terminal runs."""
    from harness.cli.show import show_status

    show_status(run)


@app.command()
@guarded
def report(
    run: Run,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Default: reports/, and the run folder's name.")
    ] = None,
) -> None:
    """Write the report page and its summary."""
    from harness.jobs.sweep import report_folder
    from harness.records.results import load
    from harness.report.study.page import write_report

    typer.echo(write_report(load(run), out or report_folder(run)))


@app.command()
@guarded
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders or benchmark files.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default: reports/compare.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Compare benchmarks that are not like for like too.")] = False,
) -> None:
    """Compare runs or benchmark files on one page."""
    from harness.cli.bench import compare_all

    typer.echo(compare_all(runs, out or Path("reports/compare"), force=force))


app.command()(bench)
app.command()(replay)
app.command()(rank)
app.command()(plan)


@app.command()
@guarded
def export(
    run: Run,
    to: Annotated[Path, typer.Option(metavar="DIR", help="A folder that is new, empty or an earlier export.")],
    trial: Annotated[int | None, typer.Option(metavar="N", min=0, help="Default: the winner.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the model of another trial or study.")] = False,
    refit: Annotated[
        str | None, typer.Option(metavar="ROWS", help="Train its recipe again on train+validation, or on all rows.")
    ] = None,
    adapter: Annotated[bool, typer.Option("--adapter", help="The adapter (LoRA) alone, as PEFT saves it.")] = False,
    trusted: Trust = None,
) -> None:
    """Export a model, proved by scoring it again."""
    from harness.cli.show import show_export
    from harness.spec.foreign import trust

    trust(*trusted or ())
    typer.echo(show_export(run, trial, to, force=force, refit=refit, adapter=adapter))


@app.command()
@guarded
def predict(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An exported model.")],
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT", help="Texts, for pairs two each; pictures and folders of them; - reads one a line."
        ),
    ] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="NAME=VALUE", help="A cell of a row instead, of any number.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Recommends items to this user instead.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many, with --user.")] = 10,
    table: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="A table of texts instead.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the table goes; default: here.")] = None,
    draw: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where pictures with their boxes go, of object detection.")
    ] = None,
    as_json: Json = False,
    trusted: Trust = None,
) -> None:
    """Print what a model says of texts or of a row, or add it to a table."""
    from harness.cli.predictions import predict_fields, predict_file, predict_here, recommend_here
    from harness.errors import InputError
    from harness.spec.foreign import trust

    trust(*trusted or ())
    given = {"texts": texts, "--field": fields, "--user": user is not None, "--csv FILE": table is not None}
    if len(named := [name for name, value in given.items() if value]) > 1:
        raise InputError(f"give either {named[0]} or {named[1]}, not both")
    if out is not None and table is None:
        raise InputError("--out goes with --csv FILE; texts are answered on the terminal")
    if table is not None:
        predict_file(folder, table, out, as_json=as_json, draws=draw)
    elif texts:
        predict_here(folder, texts, as_json=as_json, draws=draw)
    elif user is not None:
        recommend_here(folder, user, top, as_json=as_json)
    elif fields:
        predict_fields(folder, fields, as_json=as_json)
    else:
        raise InputError("nothing to predict: give texts, - to read a text a line, or a table with --csv FILE")


app.command()(evaluate)


@app.command()
@guarded
def rerun(
    run: Run,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number.")],
    trusted: Trust = None,
) -> None:
    """Run one trial again; exit 1 when it differs."""
    from harness.cli.show import show_rerun
    from harness.spec.foreign import trust

    trust(*trusted or ())
    if not show_rerun(run, trial):
        raise typer.Exit(1)


@app.command()
@guarded
def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The reference of all keys instead, docs/study.md.")
    ] = False,
) -> None:
    """Print the study file's JSON Schema, for editors."""
    if markdown:
        from harness.spec.study.reference import study_reference

        typer.echo(study_reference(), nl=False)
        return
    import json

    from harness.spec.study.json_schema import study_schema

    typer.echo(json.dumps(study_schema(), indent=2))


@app.command()
@guarded
def doctor(
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where run folders will be.")] = Path("runs"),
    measured: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure matrix products, which takes seconds.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Say whether this machine can run a sweep; exit 1 if not."""
    from harness.cli.show_doctor import show_doctor

    if not show_doctor(runs, measure=measured, as_json=as_json):
        raise typer.Exit(1)


app.command()(init)
app.command()(runs)
app.command()(remove)
