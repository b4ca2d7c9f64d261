"""What is done with an exported model: `harness.predict`, `harness.evaluate`, `harness.export`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from harness.api.frames import is_frame, table_file
from harness.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from harness.jobs.predict import Export, Row
    from harness.jobs.tables.evaluate import Evaluation
    from harness.report.study.notebook import Run

__all__ = ["evaluate", "export", "predict"]


@overload
def predict(
    model: str | Path | Run, texts: str | Sequence[str | tuple[str, ...]], *, trust: Sequence[str] = ()
) -> list[dict[str, Any]]: ...


@overload
def predict(model: str | Path | Run, texts: Path | pd.DataFrame, *, trust: Sequence[str] = ()) -> pd.DataFrame: ...


def predict(
    model: str | Path | Run,
    texts: str | Sequence[str | tuple[str, ...]] | Path | pd.DataFrame,
    *,
    trust: Sequence[str] = (),
) -> list[dict[str, Any]] | pd.DataFrame:
    """Predicts with an exported model, on the accelerator where there is one.

    Args:
        model: a run, whose exported winner predicts, or the folder of an exported model.
        texts: a text, or N of them; of a model of pairs N tuples of two. Or a table as a `Path` or a data frame, with
            the columns that the model was trained on.
        trust: tasks of your own that may be imported, `my_package.my_module:MyTask`.

    Returns:
        Of texts a list of N dicts, as `harness predict --json` prints them: for classes `label`, `probability` and
        `probabilities`. Of a table its rows, N in their order, with the values of the predictions as added columns.
        An empty text has None in the place of each value.

    Notes on cut and unreadable texts are printed on standard error.

    Raises:
        RunError: the run has no winner.
        InputError: the folder is not an exported model, the model does not take texts, or the table lacks a column.
    """
    exported = _opened(model, trust)
    if isinstance(texts, Path) or is_frame(texts):
        return _predicted_table(exported, texts)
    from harness.jobs.predict import predict_texts

    given: Any = [texts] if isinstance(texts, str) else texts
    return predict_texts(exported, _rows(exported, given), _note)


def _predicted_table(exported: Export, table: Path | pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    from harness.jobs.predict import prediction_columns
    from harness.jobs.tables.predicted import predict_table

    found = predict_table(exported, file := table_file(table), _note_of(file, table), option="")
    columns = prediction_columns(found.columns, exported.value_columns, found.predictions)
    if isinstance(table, Path):
        return pd.DataFrame(columns)
    added = {name: values for name, values in columns.items() if name not in found.columns}
    return pd.concat([table, pd.DataFrame(added, index=table.index)], axis=1)


def _rows(exported: Export, texts: Sequence[Any]) -> list[Row]:
    """A row for each text, or tuple of texts; None for one without a character.

    Raises:
        InputError: it is neither, or the model takes another number of texts.
    """
    from harness.data.pictures.find import Picture
    from harness.jobs.predict import is_whole, text_rows

    rows: list[Row] = []
    for place, text in enumerate(texts):
        parts = [text] if isinstance(text, str) else text
        if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
            raise InputError(f"texts[{place}] is neither a text nor a tuple of texts, but {type(text).__name__}")
        found = text_rows(exported, parts)
        if len(found) != 1 and not any(isinstance(value, Picture) for row in found for value in row.values()):
            raise InputError(f"texts[{place}] has {len(parts)} texts, and {exported.folder} takes fewer in a row")
        rows += [row if is_whole(row) else None for row in found]
    return rows


def evaluate(
    model: str | Path | Run, data: str | Path | pd.DataFrame, *, by: str | None = None, trust: Sequence[str] = ()
) -> Evaluation:
    """Scores an exported model on a new labelled table.

    Args:
        model: a run, whose exported winner is scored, or the folder of an exported model.
        data: a table's path or a data frame, with the columns of texts and of right answers.
        by: a column whose values (users, passages) the intervals draw instead of rows.
        trust: tasks of your own that may be imported.

    Returns:
        `metrics` and `test` by metric, each with `value`, `low` and `high` (95 %): on this table, and on the study's
        test split. `num_rows`, `num_scored` and `notes` say which rows count.

    Raises:
        RunError: the run has no winner.
        InputError: the folder is not an exported model, the table cannot be read, or no row of it can be scored.
    """
    from harness.jobs.tables.evaluate import evaluate as evaluated

    exported, table = _opened(model, trust), table_file(data)
    return evaluated(exported, table, by, _note_of(table, data))


def export(
    run: str | Path | Run,
    to: str | Path,
    *,
    trial: int | None = None,
    force: bool = False,
    refit: Literal["train+validation", "all"] | None = None,
    adapter: bool = False,
    trust: Sequence[str] = (),
    progress: bool = True,
) -> Path:
    """Exports the winner of a run, or its search trial `trial`, proved by scoring it again; returns the folder.

    Args:
        run: a run or its folder.
        to: a folder that is new, empty or an earlier export.
        trial: the number of a trial; one whose weights were not kept is trained again.
        force: replace the model of another trial or study.
        refit: train the recipe again on these rows, for as many steps.
        adapter: write the adapter (LoRA) alone, as PEFT saves it; the trial must have trained one.
        trust: tasks of your own that may be imported.
        progress: show the steps of a training on standard error.

    Raises:
        RunError: the run has no winner, or no such trial, or the trial did not complete.
        InputError: `to` holds other files, or without `force` another model.
        HarnessError: the reloaded model does not score what its trial scored.
    """
    from harness.jobs.export_trial import export_trial
    from harness.records.results import load
    from harness.spec.foreign import trust as trust_names
    from harness.terminal.console import make_console
    from harness.terminal.training import Training
    from harness.terminal.view import open_view

    trust_names(*trust)
    results = load(Path(run) if isinstance(run, (str, Path)) else run.folder)
    with open_view(make_console(stderr=True, quiet=not progress), results.spec, lambda: results) as view:
        monitors = (Training(view),)
        return export_trial(
            results, trial, Path(to), say=view.say, monitors=monitors, force=force, refit=refit, adapter=adapter
        )


def _opened(model: str | Path | Run, trusted: Sequence[str]) -> Export:
    from harness.jobs.predict import open_export
    from harness.spec.foreign import trust

    trust(*trusted)
    return open_export(Path(model) if isinstance(model, (str, Path)) else model.model)


def _note_of(file: Path, table: object) -> Callable[[str], None]:
    """Returns what prints a note on a table; a data frame is called so, and not by the name of its file."""
    return (lambda line: _note(line.replace(file.name, "the data frame"))) if is_frame(table) else _note


def _note(line: str) -> None:
    sys.stderr.write(f"{line}\n")
