"""Refuses before the first trial what no trial could give, and finds all mistakes of the files that a study names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.data.checkpoints import resolve as resolve_checkpoint
from harness.data.prepared import PreparedData
from harness.data.read import read_table
from harness.data.usual_columns import column_names
from harness.errors import CheckpointError, DataError, InputError, MissingColumn
from harness.spec.checks import Contradiction
from harness.spec.params import is_compared
from harness.spec.study import FILE_KEYS, StudySpec, split_checkpoint
from harness.spec.tasks import facts_of
from harness.spec.yamltree import KeyPath
from harness.tasks.tokenizers import vocabulary_digest

__all__ = ["mistakes_of_files", "refuse_several_tokenizers", "refuse_undefined", "with_mistakes_of_checkpoints"]

#: The keys that say how a table is read.
_READING: tuple[KeyPath, ...] = (
    ("task",),
    *(("data", key) for key in ("path", "hub", "builtin", "text", "text_pair", "label", "columns", *FILE_KEYS)),
)


def mistakes_of_files(spec: StudySpec) -> Iterator[Contradiction]:
    """Yields what is wrong with the table and with the folders of checkpoints; the network is not asked."""
    try:
        if spec.data.hub is None:
            read_table(spec.data, spec.task)
    except DataError as error:
        key = _key_of(error, spec)
        yield Contradiction(str(error).removeprefix(f"{'.'.join(map(str, key))}: "), (key, *_READING))
    for message in _of_checkpoints(spec):
        yield Contradiction(message.removeprefix("model.checkpoint: "), (("model", "checkpoint"),))


def _key_of(error: DataError, spec: StudySpec) -> KeyPath:
    """The key that names a missing column, else that of the file."""
    if isinstance(error, MissingColumn):
        fields = {field.name: field for field in facts_of(spec.task).fields}
        for name, column in column_names(spec.data, facts_of(spec.task)).items():
            if column == error.column and name in spec.data.columns:
                return "data", "columns", name
            if column == error.column and (short := fields[name].short) is not None:
                return "data", short
    return "data", "path"


def _of_checkpoints(spec: StudySpec) -> Iterator[str]:
    for name in spec.model.checkpoints:
        if Path(split_checkpoint(name)[0]).is_absolute():
            try:
                resolve_checkpoint(name)
            except CheckpointError as error:
                yield str(error)


def with_mistakes_of_checkpoints(error: DataError, spec: StudySpec) -> DataError:
    """Returns the error of a study's data with those of its folders of checkpoints, a line each."""
    return DataError("\n".join([str(error), *_of_checkpoints(spec)]))


def refuse_undefined(spec: StudySpec, data: PreparedData) -> None:
    """Refuses an objective that is undefined on the validation split.

    Raises:
        DataError: all validation rows have the same target, and an objective needs several; or an objective judges
            answers, and the rows have nothing that is to be answered.
    """
    _refuse_unwritten(spec, data)
    if data.has_variety("validation"):
        return
    facts = facts_of(spec.task)
    for name in spec.search.objectives:
        if facts.metric(name).needs_variety:
            others = ", ".join(metric.name for metric in facts.metrics if not metric.needs_variety)
            raise DataError(
                f"search.objectives: {name} is undefined on the validation split: its {data.meta.rows['validation']} "
                f"rows all have the same target; give more rows of others, or choose an objective of {others}"
            )


def _refuse_unwritten(spec: StudySpec, data: PreparedData) -> None:
    """Refuses an objective that judges what a model writes, for documents, which no prompt asks for."""
    facts = facts_of(spec.task)
    documents = [field.name for field in facts.fields if field.kind == "document" and field.name in data.meta.columns]
    for name in spec.search.objectives if documents else ():
        if facts.metric(name).is_written:
            others = ", ".join(metric.name for metric in facts.metrics if not metric.is_written)
            raise DataError(
                f"search.objectives: {name} judges answers to prompts, and '{data.meta.columns[documents[0]]}' holds "
                f"documents without prompts; choose an objective of {others}, or give the columns prompt and completion"
            )


def refuse_several_tokenizers(spec: StudySpec) -> None:
    """Refuses to rank checkpoints with several tokenizers by a metric that depends on how texts are cut.

    Raises:
        InputError: an objective is such a metric; or the checkpoint is searched, so that rungs would rank by the loss.
    """
    facts = facts_of(spec.task)
    if not facts.metric(facts.loss).by_tokens or len(spec.model.checkpoints) < 2:
        return
    names = {split_checkpoint(name)[0] for name in spec.model.checkpoints}
    vocabularies = {vocabulary_digest(resolve_checkpoint(name).path) for name in names}
    if len(vocabularies) < 2:
        return
    free = ", ".join(metric.name for metric in facts.metrics if not metric.by_tokens)
    for name in spec.search.objectives:
        if facts.metric(name).by_tokens:
            raise InputError(
                f"search.objectives: {name} depends on the tokenizer, and the checkpoints have {len(vocabularies)} "
                f"different ones; choose an objective of {free}"
            )
    if not is_compared(spec):
        raise InputError(
            f"model.checkpoint: a search over checkpoints with {len(vocabularies)} different tokenizers would rank "
            "trials by their loss, which depends on the tokenizer; list them without choices: "
            f"[{', '.join(spec.model.checkpoints)}], so that each is compared with its own"
        )
