"""What a benchmark measured: the JSON file of `harness bench`, as its writer and every reader know it.

Knows nothing of how cells are measured, nor of figures. Unknown keys of a file are ignored: it may be newer.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from harness.errors import InputError
from harness.records.files import write_json
from harness.records.schema import Stored

__all__ = [
    "PARTS",
    "BenchFile",
    "Cell",
    "Machine",
    "Measurement",
    "Noise",
    "Setup",
    "Sharing",
    "SlotsRow",
    "StepTime",
    "read_bench",
    "write_bench",
]

MAX_BYTES = 64 * 2**20
#: What a training step is made of; scoring has its own parts.
PARTS = ("data", "forward", "backward", "optimiser")

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Mode = Literal["train", "evaluate", "predict"]
Length = Annotated[int, Field(ge=1)] | Literal["study"]


class StepTime(Stored):
    """Milliseconds a step: the median, its 95 % interval, and what 95 % of the steps do not exceed."""

    median: NotNegative
    p95: NotNegative
    low: NotNegative
    high: NotNegative


class Measurement(Stored):
    """One run of a cell: a model of its own, warmed up, then `steps_ms` steps timed.

    `samples`, `tokens` and `positions` (tokens and padding) are those of the timed steps. `model_flops` are of their
    real tokens, by the formula, or where there is none for this architecture as torch counts them; `flops_ratio` is
    formula / counted on the same padded batch.
    """

    steps_ms: tuple[NotNegative, ...]
    split_ms: dict[str, NotNegative] = {}
    samples: int
    tokens: int
    positions: int
    seconds: Positive
    precision: str
    attention: str = ""
    batch_size: int
    micro_batch_size: int
    parameters: int = 0
    peak_memory_mib: NotNegative = 0.0
    build_s: NotNegative = 0.0
    first_step_s: NotNegative = 0.0
    warm_up_steps: int = 0
    steady: bool = True
    model_flops: NotNegative | None = None
    flops_ratio: NotNegative | None = None
    moved_bytes: NotNegative | None = Field(default=None, description="least traffic of the timed steps, by formula")
    energy_j: NotNegative | None = Field(default=None, description="over `energy_tokens`, unmeasured steps among them")
    energy_tokens: int = 0
    energy_source: str | None = None
    others_cpu: NotNegative = Field(default=0.0, description="cores that other processes kept busy meanwhile")
    at: float = 0.0


class Cell(Stored):
    """One configuration: its settings, and what its `repeats` come to. Rates are null when it has none."""

    id: str = ""
    checkpoint: str
    task: str = "text-classification"
    mode: Mode = "train"
    batch_size: int = Field(ge=1)
    largest: bool = Field(default=False, description="the batch size is the largest that fits, found by search")
    length: Length = "study"
    precision: str
    attention: str = ""
    device: str = "cpu"
    threads: int = 0
    micro_batch_size: int | None = None
    recipe: dict[str, Any] = Field(default={}, description="what else the speed depends on: freeze, layers, data ...")
    code: str = ""
    state: Literal["ok", "oom", "failed"] = "ok"
    message: str = ""
    samples_per_second: NotNegative | None = None
    tokens_per_second: NotNegative | None = None
    padding_fraction: NotNegative | None = None
    step_ms: StepTime | None = None
    split_ms: dict[str, NotNegative] = {}
    peak_memory_mib: NotNegative | None = None
    mfu: NotNegative | None = None
    model_flops_per_second: NotNegative | None = None
    flops_ratio: NotNegative | None = None
    intensity: NotNegative | None = Field(default=None, description="model FLOPs a byte moved")
    build_s: NotNegative | None = None
    first_step_s: NotNegative | None = None
    steady: bool = True
    energy_j_per_million_tokens: NotNegative | None = None
    energy_source: str | None = None
    cost_per_million_tokens: NotNegative | None = None
    others_cpu: NotNegative = 0.0
    repeats: tuple[Measurement, ...] = ()

    @property
    def spread(self) -> float | None:
        """How far a repeat and the next one are apart at most, as a ratio - 1; None without two."""
        rates = [run.samples / run.seconds for run in self.repeats]
        return max((max(a / b, b / a) - 1 for a, b in pairwise(rates)), default=None)

    @property
    def title(self) -> str:
        """A line that tells the cell from others: checkpoint, mode, batch x length, precision, threads."""
        where = f"{self.threads} threads" if self.device == "cpu" and self.threads != 1 else self.device
        where = "1 thread" if self.device == "cpu" and self.threads == 1 else where
        size = f"{self.batch_size} x {self.length}"
        return f"{self.checkpoint.rstrip('/').rpartition('/')[2]} {self.mode} {size} {self.precision}, {where}"


class Setup(Stored):
    """A device with so many threads, measured: ceilings in GFLOP/s of matrix products by precision."""

    device: str
    threads: int
    device_name: str = ""
    ceiling: dict[str, Positive] = {}
    memory_bandwidth_gib_per_second: Positive | None = None
    auto_precision: str = "fp32"
    auto_reason: str = Field(default="", description="why `auto` is that, with the speeds that were measured")
    process_start_s: NotNegative = 0.0
    software: dict[str, str] = {}


class Machine(Stored):
    """The hardware and what it was measured to do; `ceiling` is the best of all set-ups (GFLOP/s by precision).

    `id` is a hash of hardware facts: the same after a restart, under another host name, in another container.
    """

    id: str = Field(min_length=1, max_length=64)
    name: str = ""
    ceiling: dict[str, Positive] = {}
    memory_bandwidth_gib_per_second: Positive | None = None
    hardware: dict[str, Any] = Field(default={}, description="what the id is a hash of")
    limits: dict[str, Any] = Field(default={}, description="threads and memory that this process may use, and why")
    clock_mhz: dict[str, NotNegative] = {}
    software: dict[str, str] = {}


class Noise(Stored):
    """How far two runs of one cell are apart (A/A pairs), as ratios - 1.

    `spread`: 95 % of the pairs of a usual cell are no further apart, by the median of the pairs (of a normal
    distribution it is 2.9 times that, and never more than the widest), so that one unsteady cell does not decide for
    all; `most`: the widest pair.
    """

    pairs: int = 0
    spread: NotNegative | None = None
    most: NotNegative | None = None


class SlotsRow(Stored):
    """So many trials side by side on one device; `slowdown` of each against one that has the device to itself."""

    slots: int
    threads: int
    trials_per_hour: NotNegative
    samples_per_second: NotNegative = Field(description="of one trial")
    slowdown: NotNegative
    failed: int = 0
    spread: NotNegative | None = Field(default=None, description="how far passes were apart in trials/hour, ratio - 1")


class Sharing(Stored):
    """The winner of a run: as recorded beside its neighbours, and alone on the machine (samples/s)."""

    run: str
    trial: int
    slots: int
    threads: int
    recorded: NotNegative
    alone: NotNegative
    whole_machine: NotNegative | None = Field(default=None, description="alone, with all threads; null: the same")

    @property
    def cost(self) -> float:
        """The share of its speed that the trial lost to its neighbours; below 0: it lost nothing."""
        return 1 - self.recorded / self.alone if self.alone else 0.0


class BenchFile(Stored):
    """Everything that one machine's benchmark measured."""

    format: Literal[1] = 1
    machine: Machine
    setups: tuple[Setup, ...] = ()
    price_per_hour: Positive | None = None
    noise: Noise = Noise()
    cells: tuple[Cell, ...] = ()
    slots: tuple[SlotsRow, ...] = ()
    recommended_slots: int | None = None
    sharing: tuple[Sharing, ...] = ()

    def setup(self, device: str, threads: int) -> Setup | None:
        """The measured set-up of that device with so many threads."""
        return next((one for one in self.setups if (one.device, one.threads) == (device, threads)), None)


def read_bench(path: Path) -> BenchFile:
    """Reads a file of `harness bench`.

    Raises:
        InputError: it is missing, too large, or none of ours.
    """
    return bench_of(read_json_file(path), path)


def read_json_file(path: Path) -> Any:
    """The JSON of a file of reasonable size.

    Raises:
        InputError: it cannot be read, or is no JSON.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES // 2**20} MiB: not a benchmark file")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as JSON: {reason}") from None


def bench_of(value: Any, path: Path) -> BenchFile:
    """The benchmark in parsed JSON; `path` is for messages."""
    try:
        return BenchFile.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the top"
        raise InputError(f"{path} is not a file of harness bench: {key}: {first['msg']}") from None


def write_bench(path: Path, bench: BenchFile) -> None:
    """Writes the file, whole or not at all, and its folder where that is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, bench.model_dump(mode="json"))
