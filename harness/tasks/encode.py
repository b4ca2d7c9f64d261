"""Encodings, made once for each (data, tokenizer, length, preprocessing) and shared by all trials and processes.

The rows that a trial trains on are chosen here too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from harness.data.batch import training_batches
from harness.data.cache import built_once
from harness.data.encoded import Arrays, Encoded
from harness.data.kinds import strata_of
from harness.data.prepared import PreparedData
from harness.data.splits.split import subset
from harness.errors import InputError
from harness.records.final import WARNING
from harness.spec.trial import TrialConfig
from harness.tasks import task_of

__all__ = ["baselines", "encoded", "encoded_folder", "facts", "training_rows", "validation_rows", "warnings_of_others"]

#: Raised when the same rows would be encoded differently.
VERSION = 5
#: The file with the stratum of each row, beside the encoded examples.
STRATA = "strata.npy"
MAX_UNKNOWN = 0.1
_FACTS_BATCH = 32


def encoded(data: PreparedData, config: TrialConfig, split: str) -> Encoded:
    """Returns the examples of a split, memory-mapped; the first process encodes them, others wait for it.

    Raises:
        CheckpointError: the checkpoint or its tokenizer cannot be used.
        DataError: `max_length` leaves no room for text.
    """
    folder = encoded_folder(data, config, split)

    def encode(staging: Path) -> None:
        task, frame = task_of(config.task), data.frame(split)
        task.encode(frame, split, config, data).write(staging)
        np.save(staging / STRATA, strata_of(frame, task.facts))

    built_once(folder, encode)
    return Encoded.open(folder)


def encoded_folder(data: PreparedData, config: TrialConfig, split: str) -> Path:
    """Returns the folder of the examples of a split, which is named by all that they depend on besides the rows."""
    key = dict(task_of(config.task).encode_key(config)) | {"version": VERSION, "split": split}
    if split != "train":
        key.pop("augment", None)
    name = f"{split}-{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]}"
    return data.folder / "encoded" / name


def training_rows(data: PreparedData, config: TrialConfig) -> np.ndarray:
    """Returns the encoded training rows of a trial: `train_rows` of the originals, and their augmented copies.

    A smaller subset is contained in every larger one.
    """
    strata = _strata(data, config, "train")
    rows = subset(strata, config.data.train_rows, data.meta.seed)
    return np.concatenate([rows + len(strata) * copy for copy in range(1 + len(config.data.augment))])


def validation_rows(data: PreparedData, config: TrialConfig, num_rows: int | None) -> np.ndarray:
    """Returns the same validation rows for every trial: `num_rows` in which each stratum keeps its share, or all."""
    return subset(_strata(data, config, "validation"), num_rows, data.meta.seed)


def _strata(data: PreparedData, config: TrialConfig, split: str) -> np.ndarray:
    """Returns the stratum of each row of an encoded split, without augmented copies."""
    strata: np.ndarray = np.load(encoded_folder(data, config, split) / STRATA, allow_pickle=False)
    return strata


def baselines(
    data: PreparedData,
    task: str,
    num_rows: int | None,
    splits: Sequence[str],
    on_failure: Callable[[str], object] = lambda warning: None,
) -> tuple[dict[str, dict[str, Arrays]], dict[str, Arrays]]:
    """Returns the task's baselines, fitted on the rows of a trial with `train_rows: num_rows`, without copies.

    `on_failure` gets a sentence when one of them fails; those before it are returned. There are none where the
    rows have no targets.

    Returns:
        The outputs of each baseline by its name and by split; and the targets by split, as a fine-tuned model has them.
    """
    kind = task_of(task)
    train, frames = data.frame("train"), {split: data.frame(split) for split in splits}
    targets: dict[str, Arrays] = {split: kind.row_targets(frame) for split, frame in frames.items()}
    outputs: dict[str, dict[str, Arrays]] = {}
    if not all(targets.values()):
        return outputs, targets
    rows = subset(strata_of(train, kind.facts), num_rows, data.meta.seed)
    try:
        for name, by_split in kind.baselines(train.iloc[rows], frames, data):
            outputs[name] = by_split
    except Exception as error:  # a baseline less is no reason to lose the study
        on_failure(f"a baseline failed, and is left out ({type(error).__name__}: {' '.join(str(error).split())[:200]})")
    return outputs, targets


def facts(data: PreparedData, config: TrialConfig) -> list[str]:
    """Returns what a person should know of the data before training, a line each."""
    lines = [f"{split}: {rows} rows{_targets(data, config, split)}" for split, rows in data.meta.rows.items()]
    most = config.data.train_rows
    if most is not None and most < data.meta.rows["train"]:
        lines.append(f"rows that a trial trains on: {most} of {data.meta.rows['train']} (data.train_rows)")
    train = encoded(data, config, "train")
    if "mean_length" in train.stats:
        lines += _length_facts(train, config)
    if "notes" in train.stats:
        lines += [f"{WARNING}{note}" for split in data.meta.rows for note in _notes(data, config, split)]
    warnings = [*_undefined_on_test(data, config), *task_of(config.task).data_warnings(config, data)]
    lines += [f"{WARNING}{warning}" for warning in warnings]
    return lines + [f"note: {note}" for note in data.meta.notes]


def warnings_of_others(data: PreparedData, configs: Sequence[TrialConfig], known: Sequence[str]) -> list[str]:
    """Returns the warnings that trials of other checkpoints add to the lines `known`, a line each.

    A checkpoint that cannot encode the data is a warning too: its trials fail for that reason, and the others go on.
    """
    warnings: list[str] = []
    for config in configs:
        try:
            lines = facts(data, config)
        except InputError as error:
            lines = [f"{WARNING}{error}"]
        warnings += [line for line in lines if line.startswith(WARNING) and line not in (*known, *warnings)]
    return warnings


def _notes(data: PreparedData, config: TrialConfig, split: str) -> list[str]:
    """Returns what the encoding of a split has to say."""
    return list(encoded(data, config, split).stats.get("notes", ()))


def _undefined_on_test(data: PreparedData, config: TrialConfig) -> list[str]:
    """Returns a warning of an objective that the test rows cannot have, because all have the same target."""
    metrics = [task_of(config.task).facts.metric(name) for name in config.objectives]
    titles = [metric.title for metric in metrics if metric.needs_variety and not data.has_variety("test")]
    return [f"all test rows have the same target, so {', '.join(titles)} is undefined there"] if titles else []


def _targets(data: PreparedData, config: TrialConfig, split: str, limit: int = 6) -> str:
    """Returns how often the commonest names occur, or the spread of the numbers, in parentheses."""
    counts = sorted(data.meta.counts.get(split, {}).items(), key=lambda item: -item[1])
    parts = [f"{label[:40]} {count}" for label, count in counts[:limit]]
    parts += [f"{len(counts) - limit} more {task_of(config.task).facts.nouns[1]}"] if len(counts) > limit else []
    parts += [
        f"{name}: mean {spread.mean:.4g}, standard deviation {spread.std:.4g}, {spread.low:.4g} to {spread.high:.4g}"
        for name, spread in data.meta.numbers.get(split, {}).items()
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _length_facts(train: Encoded, config: TrialConfig) -> list[str]:
    stats = train.stats
    limit, what = stats["length_limit"], "a row"
    cut = f"; {stats['truncated_fraction']:.1%} are cut at {limit}"
    if train.row_of is not None:
        several = float((np.bincount(train.row_of) > 1).mean())
        what, cut = "a window", f"; {several:.1%} of the rows are longer than {limit} and have several windows"
    if limit < config.data.max_length:
        cut += f" (max_length {config.data.max_length} is more than the model allows)"
    random, bucketed = _padding(np.asarray(train.lengths))
    unknown = stats["unknown_fraction"]
    lines = [
        f"tokens {what}: mean {stats['mean_length']:.1f}, 95 % have at most {stats['p95_length']:.0f}{cut}",
        f"padding at batch size {_FACTS_BATCH}: {bucketed:.1%} in batches by length, {random:.1%} in random ones",
        f"unknown tokens: {unknown:.1%}",
    ]
    if unknown > MAX_UNKNOWN:
        lines.append(
            f"{WARNING}{unknown:.0%} of the tokens are unknown to '{config.model.checkpoint}', which was made for "
            "other texts (another language?); choose a checkpoint for these, such as intfloat/multilingual-e5-small"
        )
    return lines


def _padding(lengths: np.ndarray) -> tuple[float, float]:
    """Returns the share of padding in random batches and in those that training uses."""
    order = np.random.default_rng(0).permutation(len(lengths))
    random = [order[start : start + _FACTS_BATCH] for start in range(0, len(order), _FACTS_BATCH)]
    shares = []
    for batches in (random, training_batches(lengths, _FACTS_BATCH, seed=0, epoch=0)):
        positions = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
        shares.append(1 - int(lengths.sum()) / positions)
    return shares[0], shares[1]
