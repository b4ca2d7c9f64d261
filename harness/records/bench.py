"""The types of the JSON file that `harness bench` writes, with its reader and writer.

Unknown keys of a file are ignored: a newer version may have written it.
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
#: The parts of a training step, as `split_ms` names them; scoring has other parts.
PARTS = ("data", "forward", "backward", "optimiser")

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Mode = Literal["train", "evaluate", "predict"]
Length = Annotated[int, Field(ge=1)] | Literal["study"]


class StepTime(Stored):
    """Milliseconds per step: the median, its 95 % interval (`low`, `high`) and the 95 % quantile (`p95`)."""

    median: NotNegative
    p95: NotNegative
    low: NotNegative
    high: NotNegative


class Measurement(Stored):
    """One run of a cell: a new model is built and warmed up, then every step is timed (`steps_ms`).

    `samples`, `tokens` and `positions` (tokens and padding) count the timed steps. `model_flops` are the FLOPs of their
    real tokens by the formula, or as torch counts them where this architecture has no formula; `flops_ratio` is
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
    """One benchmarked configuration: its settings and the summary of its `repeats`. Rates are null without repeats."""

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
        """The largest ratio - 1 of the speeds of two successive repeats; None with fewer than two."""
        rates = [run.samples / run.seconds for run in self.repeats]
        return max((max(a / b, b / a) - 1 for a, b in pairwise(rates)), default=None)

    @property
    def title(self) -> str:
        """One line that identifies the cell: checkpoint, mode, batch x length, precision, threads."""
        place = f"{self.threads} threads" if self.device == "cpu" and self.threads != 1 else self.device
        place = "1 thread" if self.device == "cpu" and self.threads == 1 else place
        size = f"{self.batch_size} x {self.length}"
        return f"{self.checkpoint.rstrip('/').rpartition('/')[2]} {self.mode} {size} {self.precision}, {place}"


class Setup(Stored):
    """The measured speed of a device with `threads` threads; `ceiling` is GFLOP/s of matrix products by precision."""

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
    """The hardware and its measured speed; `ceiling` is the best of all set-ups (GFLOP/s by precision).

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
    """The ratio - 1 between the speeds of two runs of one cell (A/A pairs).

    `spread` is the estimated 95 % quantile: 2.9 times the median of the pairs, as in a normal distribution, and at most
    the widest pair; the median is used so that one unsteady cell does not decide for all. `most` is the widest pair.
    """

    pairs: int = 0
    spread: NotNegative | None = None
    most: NotNegative | None = None


class SlotsRow(Stored):
    """The speed of `slots` trials side by side; `slowdown` is that of one trial against a trial alone on the device."""

    slots: int
    threads: int
    trials_per_hour: NotNegative
    samples_per_second: NotNegative = Field(description="of one trial")
    slowdown: NotNegative
    failed: int = 0
    spread: NotNegative | None = Field(default=None, description="how far passes were apart in trials/hour, ratio - 1")


class Sharing(Stored):
    """The speed of a run's winner in samples/s: `recorded` beside other trials, and `alone` on the machine."""

    run: str
    trial: int
    slots: int
    threads: int
    recorded: NotNegative
    alone: NotNegative
    whole_machine: NotNegative | None = Field(default=None, description="alone, with all threads; null: the same")

    @property
    def cost(self) -> float:
        """The share of its speed that the trial lost to the trials beside it; 0 or less: none."""
        return 1 - self.recorded / self.alone if self.alone else 0.0


class BenchFile(Stored):
    """All measurements of one machine."""

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
        """The set-up of a device with that number of threads; None where it was not measured."""
        return next((setup for setup in self.setups if (setup.device, setup.threads) == (device, threads)), None)


def read_bench(path: Path) -> BenchFile:
    """Reads a file of `harness bench`.

    Raises:
        InputError: it is missing, too large, or not a benchmark file.
    """
    return bench_of(read_json_file(path), path)


def read_json_file(path: Path) -> Any:
    """The parsed JSON of a file of at most `MAX_BYTES` bytes.

    Raises:
        InputError: it cannot be read, is too large, or is not JSON.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES // 2**20} MiB: not a benchmark file")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read as JSON: {reason}") from None


def bench_of(value: Any, path: Path) -> BenchFile:
    """The benchmark in parsed JSON; `path` is for messages.

    Raises:
        InputError: it is not a benchmark file.
    """
    try:
        return BenchFile.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the top"
        raise InputError(f"{path} is not a file of harness bench: {key}: {first['msg']}") from None


def write_bench(path: Path, bench: BenchFile) -> None:
    """Writes the file atomically, and makes its folder where that is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, bench.model_dump(mode="json"))
