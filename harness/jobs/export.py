"""The parts of an export: model files, card (README.md) and manifest, and the check of a reloaded model's score.

An export is built in a staging folder, and renamed to its own name only after that check.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

import jinja2

from harness.data.many import joined_parts
from harness.data.prepared import PreparedData
from harness.data.usual_columns import column_names
from harness.errors import HarnessError
from harness.jobs.standing import Standing
from harness.records.exported import DataSource, ExportManifest, Refit, write_export
from harness.records.files import sha256_of
from harness.records.precision import PrecisionChoice, device_kind
from harness.records.schema import TrialRecord
from harness.report.study.serving import speed_text
from harness.report.study.verdict import moved_text
from harness.runtime import program
from harness.spec.configure import arm_of, default_numbers
from harness.spec.foreign import trust_option
from harness.spec.study import FILE_KEYS, StudySpec
from harness.spec.tasks import RECIPE, TaskFacts, facts_of
from harness.stats.intervals import Interval
from harness.stats.metric import Metric
from harness.stats.shown import NONE
from harness.tasks import task_of

__all__ = ["check_scores", "stage_weights", "tuned_text", "write_card"]

#: The keys of a model that say nothing without an adapter.
_OF_ADAPTERS = ("rank", "alpha", "adapter_dropout", "targets")
_PACKAGES = ("finetune-harness", "torch", "transformers", "tokenizers", "safetensors")
#: Allowed relative difference of a score that is not a share of rows: after reloading, sums have another order.
ROUNDING = 1e-4
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=False,  # noqa: S701 - the card is Markdown: text goes through the filter `md`
    undefined=jinja2.StrictUndefined,
)


def _markdown(text: object) -> str:
    """Text escaped for Markdown: it cannot open a tag, a link or a table cell."""
    flat = " ".join(str(text).split())
    return "".join(f"\\{char}" if char in r"\`*_[]()<>|#!" else char for char in flat)


def _four_digits(value: float) -> str:
    """Returns a score for the card; a dash where the rows leave it undefined."""
    return f"{value:.4f}" if isfinite(value) else NONE


def _with_bounds(score: Mapping[str, float]) -> str:
    low, high = score["low"], score["high"]
    if not isfinite(score["value"]):
        return NONE
    bounds = f"{low:.4f} to {high:.4f}" if isfinite(low) and isfinite(high) else "interval not known"
    return f"{_four_digits(score['value'])} ({bounds})"


def _setting(value: Any) -> str:
    """A setting as people write it: 2.0 -> "2", 5e-05 -> "5e-5"; "" of what is not set (null, an empty list)."""
    if isinstance(value, float):
        digits, exponent, power = f"{value:.6g}".partition("e")
        return f"{digits}e{int(power)}" if exponent else digits
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {text}" for key, item in value.items() if (text := _setting(item)))
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, map(_setting, value)))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


_TEMPLATES.filters |= {"md": _markdown, "four": _four_digits, "bounds": _with_bounds}


def stage_weights(weights: Path, staging: Path) -> Path:
    """Copies the model files of `weights` into a new folder `staging`, and returns it."""
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(
            weights / name, staging / name
        )  # without the mode: a run's files are private, an export's are not
    return staging


def tuned_text(folder: Path, task: str, names: Sequence[str]) -> str:
    """Returns a sentence on what was tuned on validation for the model of `folder`; "" where that is nothing."""
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return task_of(task).told(settings, names)


def write_card(
    folder: Path,
    *,
    spec: StudySpec,
    data: PreparedData,
    record: TrialRecord,
    test: Mapping[str, Interval] | None,
    seeds: tuple[int, ...],
    standing: Standing,
    precisions: Sequence[PrecisionChoice] = (),
    refit: Refit | None = None,
) -> None:
    """Writes README.md and manifest.json. `test` is None for a model that was not scored on the test split.

    `refit` is given for weights that were trained again on more rows than the scores are of. `precisions` are the
    study's choices for `precision: auto`.
    """
    config, task = record.trained_config, facts_of(spec.task)
    columns = data.meta.columns or column_names(spec.data, task)
    texts = task.texts_in(columns)
    pairs = len(texts) > 1
    names = [metric.name for metric in task.metrics if metric.name in record.metrics]
    versions = {package: version(package) for package in _PACKAGES}
    number = config.of if config.of is not None else record.number
    sections = {"model": config.model, "training": config.training, "data": config.data}
    unused = {"architecture", *(RECIPE - task.recipe), *(() if config.model.adapter != "none" else _OF_ADAPTERS)}
    settings = {
        f"{section}.{key}": value
        for section, values in sections.items()
        for key, value in values.model_dump(mode="json", exclude=unused).items()
    }
    num_rows = min(data.meta.rows["train"], config.data.train_rows or data.meta.rows["train"])
    manifest = ExportManifest(
        study=spec.name,
        trial=number,
        task=spec.task,
        labels=data.names,
        checkpoint=config.model.checkpoint,
        settings=settings,
        params=record.params,
        seed=record.seed,
        seeds=seeds,
        validation={name: record.metrics[name] for name in names},
        test=dict(test) if test else None,
        rows=data.meta.rows | {"trained": refit.rows if refit is not None else num_rows},
        refit=refit,
        step=record.best_step,
        total_steps=record.history[-1].total_steps if record.history else None,
        data=DataSource(source=data.meta.source, sha256=data.meta.sha256),
        preprocess=config.data.preprocess,
        max_length=config.data.max_length,
        columns=columns,
        form=spec.data.model_dump(include=set(FILE_KEYS), exclude_none=True),
        place=record.place,
        versions=versions | {"python": platform.python_version()},
    )
    card = _TEMPLATES.get_template("card.md.j2").render(
        **manifest.model_dump() | {"versions": versions},
        name=f"{spec.name}, trial {number}",
        number=number,
        pipeline=task.pipeline,
        summary=task_of(spec.task).summary([_markdown(name) for name in data.names], pairs=pairs),
        usage=task_of(spec.task).usage("FOLDER", pairs=pairs),
        texts=[] if task.is_tabular else [columns[name] for name in texts],
        cells=_cells(columns, task) if task.is_tabular else [],
        pictures=[columns[field.name] for field in task.fields if field.kind == "image"],
        trust=trust_option(spec.task),
        base_model=_hub_id(config.model.checkpoint),
        confirmed=len(seeds) > 1,
        standing=standing.place,
        chosen=standing.chosen,
        tuned=tuned_text(folder, spec.task, data.names),
        notes=standing.warnings,
        shown_settings={key: text for key, value in settings.items() if (text := _setting(value))},
        speed=speed_text(standing.speed) if standing.speed else "",
        is_default=number in default_numbers(spec),
        moved=moved_text(spec, arm_of(spec, record.params)),
        num_copies=len(config.data.augment),
        data_source=Path(data.meta.source).name,
        data_sha256=data.meta.sha256,
        precision_reason=_precision_reason(record, precisions),
        device=(record.place.device_name or record.place.device) if record.place else "an unknown device",
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()}
    write_export(folder, manifest.model_copy(update={"files": hashes}))


def _cells(columns: Mapping[str, str], task: TaskFacts) -> list[str]:
    """The names of the table's columns that the model reads."""
    read = (columns[field.name] for field in task.fields if field.name in columns and not field.target)
    return [name for column in read for name in joined_parts(column)]


def _precision_reason(record: TrialRecord, precisions: Sequence[PrecisionChoice]) -> str:
    """The reason of the precision that `auto` meant; "" where the study fixed the precision, or it is not known."""
    if record.config.training.precision != "auto" or record.place is None:
        return ""
    kind = device_kind(record.place)
    return next((choice.reason for choice in precisions if choice.kind == kind), "")


def _hub_id(checkpoint: str) -> str | None:
    """The checkpoint's name without its suffix, when it can be a Hub id."""
    name = checkpoint.partition("#")[0]
    return name if "/" in name and not Path(name).is_absolute() else None


def check_scores(metric: Metric, expected: float, reloaded: float, what: str) -> None:
    """Compares the validation score of a reloaded model with that of its trial.

    Raises:
        HarnessError: they differ by more than rounding; `what` names the model in the message.
    """
    allowed = 1e-9 if metric.is_share else ROUNDING * max(1.0, abs(expected))
    if not abs(expected - reloaded) <= allowed:
        raise HarnessError(
            f"{what}: the exported model's {metric.title} on validation is {reloaded:.6f} after reloading, its trial's "
            f"was {expected:.6f}; nothing was exported. Is the device deterministic? See {program()} rerun"
        )
