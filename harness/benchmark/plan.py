"""Plans which cells are measured, from the command line's options, the study and the defaults; one trial each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import product
from math import inf
from pathlib import Path
from typing import Any, get_args

from harness.benchmark.data import made_up_table
from harness.errors import InputError, nearest
from harness.machine import resources
from harness.records.bench import Mode
from harness.runtime import program
from harness.spec.configure import default_config
from harness.spec.params import value_at
from harness.spec.space import Choices, Range
from harness.spec.study import DataSpec, ModelSpec, Precision, StudySpec
from harness.spec.trial import TrialConfig

__all__ = ["BenchOptions", "PlannedCell", "bench_study", "default_file", "plan_cells", "planned_of"]

DEFAULT_CHECKPOINT = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_BATCH_SIZES: tuple[int, ...] = (1, 8, 32)
DEFAULT_LENGTHS: tuple[int, ...] = (16, 64, 256)
OBJECTIVES = ("samples_per_second",)
#: A training so long that its schedule never ends.
EPOCHS = 1e6
#: Rows of a fixed length: no epoch of few batches, and not much to tokenize.
LEAST_ROWS = 512
#: Rows where the largest batch is looked for: it cannot have more.
MOST_ROWS = 4096
#: Settings that may differ between two measurements of the same cell.
NOT_IDENTITY = ("seconds", "steps", "rows")

#: A number, or a word: `max`, `study`.
Size = int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """The options of a benchmark; None means the value of the study, or the default."""

    checkpoints: tuple[str, ...] | None = None
    batch_sizes: tuple[Size, ...] | None = None
    lengths: tuple[Size, ...] | None = None
    precisions: tuple[str, ...] | None = None
    modes: tuple[str, ...] = ("train",)
    device: str = "auto"
    threads: tuple[int, ...] | None = None
    seconds: float = 3.0
    repeats: int = 2
    price_per_hour: float | None = None

    def check(self) -> None:
        """Refuses unknown words and impossible numbers.

        Raises:
            InputError: an option has such a value; the message says what is allowed.
        """
        _refuse_unknown("--precision", self.precisions or (), get_args(Precision))
        _refuse_unknown("--mode", self.modes, get_args(Mode))
        for option, numbers in (
            ("--batch-size", self.batch_sizes),
            ("--length", self.lengths),
            ("--threads", self.threads),
        ):
            if any(isinstance(number, int) and number < 1 for number in numbers or ()):
                raise InputError(f"{option}: numbers must be at least 1")
        if self.repeats < 2:
            raise InputError(
                f"--repeats {self.repeats}: at least 2, because two runs of a cell show how far to trust it"
            )
        if not 0 < self.seconds <= 3600:
            raise InputError(f"--seconds {self.seconds:g}: must be above 0 and at most 3600")
        if self.price_per_hour is not None and not 0 < self.price_per_hour < inf:
            raise InputError(f"--price-per-hour {self.price_per_hour:g}: must be above 0 and finite")
        if (most := max(self.threads or (0,))) > (cores := resources.cores()):
            raise InputError(f"--threads {most}: this process may use {cores}")

    def refuse_all_but(self, why: str, *allowed: str) -> None:
        """Refuses options that would have no effect.

        Raises:
            InputError: an option was given that is not among `allowed`.
        """
        for option in fields(self):
            if option.name not in allowed and getattr(self, option.name) != option.default:
                name = {"checkpoints": "checkpoint", "batch_sizes": "batch-size", "threads": "threads"}
                raise InputError(f"--{name.get(option.name, option.name.rstrip('s'))}: {why}")


def _refuse_unknown(option: str, words: Iterable[str], allowed: Sequence[str]) -> None:
    for word in words:
        if word not in allowed:
            raise InputError(f"{option} '{word}' is unknown; allowed: {', '.join(allowed)}{nearest(word, allowed)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A cell to be measured. `checkpoint` is as the user writes it; no other cell has the same `id`."""

    id: str
    checkpoint: str
    config: TrialConfig

    def setting(self, name: str) -> Any:
        """One of the settings that travel in the trial's params."""
        return self.config.params[name]


def bench_study(checkpoints: tuple[str, ...] | None) -> StudySpec:
    """Returns the study of a benchmark without one: made-up words, two labels, the given checkpoints.

    Raises:
        InputError: a checkpoint needs an architecture, which only a study can give.
    """
    names = checkpoints or (DEFAULT_CHECKPOINT,)
    if any(name.partition("#")[0] == "scratch" for name in names):
        raise InputError(f"--checkpoint scratch needs a study with its architecture: {program()} bench STUDY.yaml")
    return StudySpec(name="bench", data=DataSpec(path=str(made_up_table())), model=ModelSpec(checkpoint=names))


def plan_cells(
    spec: StudySpec, options: BenchOptions, *, auto: str, accelerator: bool, own_texts: bool
) -> list[PlannedCell]:
    """Returns a cell for every combination of the options, small cells first.

    Args:
        spec: the study.
        options: the options.
        auto: the precision that `auto` means here.
        accelerator: the device is an accelerator, where a batch size may be `max`.
        own_texts: the study has texts of its own, whose lengths count where no length is given.

    Raises:
        InputError: options that exclude each other.
    """
    checkpoints = options.checkpoints or spec.model.checkpoints
    lengths = options.lengths or (("study",) if own_texts else DEFAULT_LENGTHS)
    batch_sizes = options.batch_sizes or (_batch_sizes(spec) if own_texts else DEFAULT_BATCH_SIZES)
    precisions = options.precisions or (_values(spec, "training.precision") if own_texts else ("fp32", "auto"))
    resolved = dict.fromkeys(auto if name == "auto" else name for name in precisions)
    if "max" in batch_sizes and not accelerator:
        raise InputError("--batch-size max is for accelerators; on a CPU give numbers: they are admitted by estimate")
    if "max" in batch_sizes and options.modes != ("train",):
        raise InputError("--batch-size max is for --mode train: what fits there fits anywhere")
    if not own_texts and "study" in lengths:
        raise InputError(f"--length study needs a study: {program()} bench STUDY.yaml")
    whole = spec.model_copy(update={"model": spec.model.model_copy(update={"checkpoint": tuple(checkpoints)})})
    cells = [
        _planned(whole, checkpoint, mode, length, precision, size, seconds=options.seconds)
        for checkpoint, mode, precision in product(checkpoints, options.modes, resolved)
        for length, size in sorted(product(dict.fromkeys(lengths), dict.fromkeys(batch_sizes)), key=_size)
    ]
    return list({cell.id: cell for cell in cells}.values())


def _size(cell: tuple[Size, Size]) -> tuple[int, int]:
    length, size = cell
    return length if isinstance(length, int) else 0, size if isinstance(size, int) else 2**31


def _planned(
    spec: StudySpec,
    checkpoint: str,
    mode: str,
    length: Size,
    precision: str,
    batch_size: Size,
    *,
    seconds: float,
) -> PlannedCell:
    base = default_config(spec, "bench", checkpoint)
    size = batch_size if isinstance(batch_size, int) else 1
    return planned_of(
        base.model_copy(
            update={"training": base.training.model_copy(update={"batch_size": size, "precision": precision})}
        ),
        checkpoint,
        mode=mode,
        length=length,
        rows=MOST_ROWS if batch_size == "max" else max(LEAST_ROWS, 4 * size),
        seconds=seconds,
        largest=batch_size == "max",
    )


def planned_of(config: TrialConfig, checkpoint: str, *, largest: bool = False, **params: Any) -> PlannedCell:
    """Returns the cell that trains as `config` does; `params` are mode, length, rows and seconds."""
    trial = config.model_copy(
        update={
            "kind": "bench",
            "of": None,
            "params": {**params, "steps": None, "largest": largest},
            "training": config.training.model_copy(update={"epochs": EPOCHS}),
            "evaluate_at": (1.0,),
            "validation_rows": (None,),
            "rungs": (),
            "objectives": OBJECTIVES,
        }
    )
    return PlannedCell(id=_identity(trial), checkpoint=checkpoint, config=trial)


def _identity(config: TrialConfig) -> str:
    settings = config.model_dump(mode="json", exclude={"number"})
    settings["params"] = {name: value for name, value in config.params.items() if name not in NOT_IDENTITY}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def _values(spec: StudySpec, key: str) -> tuple[Any, ...]:
    """Returns all values that the study may use at `key`."""
    value = value_at(spec, key)
    return value.choices if isinstance(value, Choices) else (value,)


def _batch_sizes(spec: StudySpec) -> tuple[int, ...]:
    """Returns the study's batch sizes; of a range its ends and its geometric middle."""
    value = spec.training.batch_size
    if not isinstance(value, Range):
        return _values(spec, "training.batch_size")
    middle = round((value.low * value.high) ** 0.5)
    return tuple(dict.fromkeys((value.low, middle, value.high)))


def default_file(machine_id: str) -> Path:
    """Returns where results go when no file is given."""
    return Path("reports") / "bench" / f"{machine_id}.json"
