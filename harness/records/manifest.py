"""The manifest of a run (`manifest.json`): study, data, weights, machine and versions, as of its last continuation."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from harness.errors import RunError
from harness.records import earlier
from harness.records.precision import PrecisionChoice
from harness.records.rundir import MANIFEST, RunFolder
from harness.records.schema import Place, Stored
from harness.records.task_copy import TaskCopy, remember_task
from harness.spec.study import StudySpec
from harness.spec.trial import ParamValue

__all__ = [
    "BEHAVIOUR",
    "Commit",
    "Computer",
    "DataFacts",
    "EarlierRun",
    "EarlierTrial",
    "Manifest",
    "Meta",
    "Spread",
    "first_error",
    "parsed",
    "read_manifest",
    "write_manifest",
]

FORMAT = 1
#: Increased when the same study gives other results than before on the same machine with the same packages: other rows,
#: another order of batches, another initialisation, other losses, other draws of a sampler, other decisions of a
#: pruner, another choice of the winner. Not increased for rounding differences or for changes of what is
#: shown. Every version shows a run of another number; only the version that began it continues it.
BEHAVIOUR = 2


class Spread(Stored):
    """Mean, standard deviation and range of the numbers of one column in one split."""

    mean: float
    std: float
    low: float
    high: float


class Meta(Stored):
    """The facts of prepared data, gathered while the rows were read and split.

    `sha256` is the hash of the source's bytes. `rows_sha256` is that of the prepared rows, so it does not depend on the
    source's path or format; it is empty where an earlier version prepared the data.
    """

    task: str = ""
    source: str = Field(default="", description="the file, folder or data set, by name")
    sha256: str = ""
    rows_sha256: str = ""
    columns: dict[str, str] = Field(default={}, description="names in the source by the names used here")
    labels: tuple[str, ...] = Field(default=(), description="what the ids in the targets stand for, by id")
    rows: dict[str, int] = Field(default={}, description="by split")
    counts: dict[str, dict[str, int]] = Field(default={}, description="how often each of these names occurs, by split")
    numbers: dict[str, dict[str, Spread]] = Field(default={}, description="by split, and field of numbers")
    image: tuple[int, int, int] | None = Field(
        default=None, description="height, width, channels, of pictures the medians; null for texts"
    )
    seed: int = 0
    notes: tuple[str, ...] = Field(default=(), description="what was repaired or dropped, a sentence each")

    def same_rows(self, other: Meta) -> bool:
        """True when both have the same rows: by the rows' hashes where both are known, else by bytes and counts."""
        if self.rows_sha256 and other.rows_sha256:
            return self.rows_sha256 == other.rows_sha256
        same_counts = not self.rows or (self.rows, self.labels, self.counts) == (other.rows, other.labels, other.counts)
        return self.sha256 == other.sha256 and same_counts

    def changed(self, other: Meta) -> str:
        """Describes what differs in `other`, the old value and the new."""
        if self.rows_sha256 and other.rows_sha256:
            return f"sha256 of the prepared rows {self.rows_sha256[:12]} -> {other.rows_sha256[:12]}"
        if self.sha256 == other.sha256:
            return f"rows of each split {_listed(self.rows)} -> {_listed(other.rows)}"
        return f"sha256 {self.sha256[:12] or 'not known'} -> {other.sha256[:12] or 'not known'}"


def _listed(rows: dict[str, int]) -> str:
    return ", ".join(f"{split} {count}" for split, count in rows.items())


class DataFacts(Meta):
    """The facts of a run's prepared data, and the folder of that data."""

    folder: str = ""


class Computer(Stored):
    """The machine that coordinated the run; `cpus` is the number of CPUs that the process may use."""

    host: str = ""
    platform: str = ""
    cpu: str = ""
    cpus: int | None = None


class Commit(Stored):
    """The commit of the study file's folder; `dirty` is null where git was not asked for changes."""

    commit: str
    dirty: bool | None = None


class EarlierTrial(Stored):
    """A trial of an earlier run, and the params that this study tries because of it."""

    number: int
    params: dict[str, ParamValue]


class EarlierRun(Stored):
    """A run that `search.from` names: its best trials, those that are tried here and why the others are not."""

    run: str = Field(description="the run's folder")
    taken: tuple[EarlierTrial, ...] = ()
    left_out: dict[int, str] = Field(default={}, description="why a trial is not tried here, by its number")


class Manifest(Stored):
    """Where a run's numbers come from. Unknown keys are ignored; `read_manifest` reads manifests of every version."""

    format: int = FORMAT
    behaviour: int = BEHAVIOUR
    created_at: float = Field(default=0.0, description="Unix time in seconds; 0: not known")
    task: TaskCopy | None = Field(default=None, description="the facts of a user's own task")
    spec: StudySpec
    command: tuple[str, ...] = ()
    data: DataFacts = DataFacts()
    weights: dict[str, str | None] = Field(
        default={}, description="sha256 by the checkpoint's name in the study; null where there is nothing to hash"
    )
    devices: tuple[Place, ...] = Field(default=(), description="the slots of this machine; none on a joined cluster")
    precision: tuple[PrecisionChoice, ...] = Field(default=(), description="what `precision: auto` was measured to be")
    earlier_runs: tuple[EarlierRun, ...] = Field(default=(), description="what `search.from` gave when the run began")
    machine: Computer = Computer()
    versions: dict[str, str] = Field(default={}, description="by package")
    git: Commit | None = None

    @property
    def version(self) -> str:
        """The version of this package that wrote the manifest; empty where it is not known."""
        return self.versions.get("finetune-harness", "")


def parsed(raw: Any, source: object) -> Manifest:
    """The manifest in parsed JSON of any version; `source` is its file, for messages.

    Raises:
        RunError: it is not a manifest, or its study cannot be read by this version.
    """
    try:
        current = earlier.manifest(raw)
        remember_task(current.get("task"))  # before the study that names it
        return Manifest.model_validate(current)
    except (AttributeError, TypeError, ValueError) as error:
        reason = first_error(error) if isinstance(error, ValidationError) else str(error)
        raise RunError(f"{source}: not a run that this version of harness can read ({reason})") from None


def first_error(error: ValidationError) -> str:
    """The key and the message of the first validation error."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def read_manifest(run: RunFolder) -> Manifest | None:
    """The manifest of a run folder; None where no study was begun.

    Raises:
        RunError: it cannot be read.
    """
    raw = run.read_json(MANIFEST) if run.path.is_dir() else None
    return None if raw is None else parsed(raw, run.path / MANIFEST)


def write_manifest(run: RunFolder, manifest: Manifest) -> None:
    """Writes the manifest into the run folder; an earlier one is replaced."""
    run.write_json(MANIFEST, manifest.model_dump(mode="json"))
