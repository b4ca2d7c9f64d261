"""The messages between coordinator and worker: typed commands and events, sent as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from harness.errors import FailReason
from harness.records.precision import PrecisionChoice
from harness.records.schema import Place, Progress
from harness.spec.space import Frozen
from harness.spec.trial import TrialConfig

__all__ = [
    "Begin",
    "Command",
    "Died",
    "Drop",
    "Evaluated",
    "Event",
    "Failed",
    "Finish",
    "Finished",
    "Go",
    "Measure",
    "Measured",
    "Quit",
    "Ready",
    "Release",
    "Snapshot",
    "Snapshotted",
    "Spilled",
    "Start",
    "Warm",
    "decode_command",
    "decode_event",
    "encode",
]


class Begin(Frozen):
    """A job starts: import the trial function, say `Ready`. Trials of an earlier job are closed."""

    op: Literal["begin"] = "begin"
    place: Place
    data: str
    trial_fn: str = Field(description="module:function")
    memory_budget_bytes: int = Field(description="what paused trials may hold together")
    models: tuple[TrialConfig, ...] = Field(default=(), description="checked when the first trial starts")


class Warm(Frozen):
    """Import what the trials of a coming job need. Not answered."""

    op: Literal["warm"] = "warm"
    trial_fn: str = Field(description="module:function")


class Measure(Frozen):
    """Measure which precision `auto` means in this slot, with the model of `config`. Answered by `Measured`."""

    op: Literal["measure"] = "measure"
    config: TrialConfig


class Start(Frozen):
    """Start a trial, from its snapshot or at step 0, and run it to its next evaluation."""

    op: Literal["start"] = "start"
    config: TrialConfig
    folder: Path = Field(description="the trial's folder: log.txt, snapshot/, weights/")
    resume: Path | None = None
    threads: int | None = Field(default=None, description="what it may use up to there; null: the slot's own")


class Go(Frozen):
    """Run a paused trial to its next evaluation; with `snapshot` write a snapshot before."""

    op: Literal["go"] = "go"
    number: int
    snapshot: bool = False
    threads: int | None = Field(default=None, description="what it may use up to there; null: the slot's own")


class Snapshot(Frozen):
    """Write a snapshot of a paused trial, so that it can go on in another slot. The running trial goes on meanwhile."""

    op: Literal["snapshot"] = "snapshot"
    number: int


class Finish(Frozen):
    """Close a paused trial; with `save` write its weights before. Answered by `Finished`."""

    op: Literal["finish"] = "finish"
    number: int
    save: bool = False


class Drop(Frozen):
    """Close a paused trial. Not answered."""

    op: Literal["drop"] = "drop"
    number: int


class Release(Frozen):
    """Free cached device memory and reset the measured peak: no trial is running now. Not answered."""

    op: Literal["release"] = "release"


class Quit(Frozen):
    """Close everything and exit."""

    op: Literal["quit"] = "quit"


class Ready(Frozen):
    """The trial function is imported; that took `import_s` seconds."""

    op: Literal["ready"] = "ready"
    import_s: float = 0.0


class Measured(Frozen):
    """What `auto` means in this slot; null where the trial function cannot say."""

    op: Literal["measured"] = "measured"
    choice: PrecisionChoice | None


class Work(Frozen):
    """An event of work that took a slot's time; `start` and `end` are Unix times in seconds."""

    number: int
    start: float
    end: float


class Evaluated(Work):
    """A trial was evaluated and is paused now."""

    op: Literal["evaluated"] = "evaluated"
    progress: Progress
    memory_bytes: int = Field(default=0, description="what the trial holds while it is paused")


class Failed(Work):
    """A trial failed. `fatal`: its process cannot be used any more and exits. `refused`: the study asks for something
    that cannot be trained, so the trial never began."""

    op: Literal["failed"] = "failed"
    reason: FailReason
    message: str
    fatal: bool = False
    refused: bool = False


class Snapshotted(Work):
    """A trial's snapshot was written to its folder; the trial is still paused in memory."""

    op: Literal["snapshotted"] = "snapshotted"


class Spilled(Work):
    """A paused trial was moved from memory to a snapshot in its folder."""

    op: Literal["spilled"] = "spilled"


class Finished(Work):
    """A trial was closed."""

    op: Literal["finished"] = "finished"


class Died(Frozen):
    """A slot's process died with all its trials; a new one will send `Ready`. `killed`: from outside, by a signal."""

    op: Literal["died"] = "died"
    reason: FailReason
    message: str
    killed: bool = False


Command = Warm | Begin | Measure | Start | Go | Snapshot | Finish | Drop | Release | Quit
Event = Ready | Measured | Evaluated | Failed | Snapshotted | Spilled | Finished | Died

COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="op")])
EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="op")])


def encode(message: Command | Event) -> bytes:
    """Returns the message as JSON, in which NaN and infinities are kept."""
    return json.dumps(message.model_dump(mode="json")).encode()


def decode_command(wire: bytes) -> Command:
    """Returns the command that `encode` turned into these bytes."""
    return COMMANDS.validate_json(wire)


def decode_event(wire: bytes) -> Event:
    """Returns the event that `encode` turned into these bytes."""
    return EVENTS.validate_json(wire)
