"""What coordinator and worker say to each other: small typed messages, JSON on the wire.

Knows nothing of pipes, processes or how a trial is run.
"""

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
    memory_budget_bytes: int = Field(description="what standing trials may hold together")


class Warm(Frozen):
    """A job will come: import what its trials need. Not answered."""

    op: Literal["warm"] = "warm"
    trial_fn: str = Field(description="module:function")


class Measure(Frozen):
    """Measure which precision `auto` means in this slot, with the model of `config`. Answered by `Measured`."""

    op: Literal["measure"] = "measure"
    config: TrialConfig


class Start(Frozen):
    """Take up a trial, from its snapshot or from step 0, and run it to its next evaluation."""

    op: Literal["start"] = "start"
    config: TrialConfig
    folder: Path = Field(description="the trial's folder: log.txt, snapshot/, weights/")
    resume: Path | None = None
    threads: int | None = Field(default=None, description="what it may use up to there; null: the slot's own")


class Go(Frozen):
    """Run a standing trial to its next evaluation; `snapshot`: write one before."""

    op: Literal["go"] = "go"
    number: int
    snapshot: bool = False
    threads: int | None = Field(default=None, description="what it may use up to there; null: the slot's own")


class Snapshot(Frozen):
    """Write a snapshot of a standing trial, so that it can go on in another slot. Done beside the trial that runs."""

    op: Literal["snapshot"] = "snapshot"
    number: int


class Finish(Frozen):
    """Close a standing trial; `save`: write its weights before. Answered by `Finished`."""

    op: Literal["finish"] = "finish"
    number: int
    save: bool = False


class Drop(Frozen):
    """Close a standing trial. Not answered."""

    op: Literal["drop"] = "drop"
    number: int


class Release(Frozen):
    """No trial moves now: give device memory that is only cached back to others, count peaks anew. Not answered."""

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
    """Something that took a slot's time; `start` and `end` are Unix times in seconds."""

    number: int
    start: float
    end: float


class Evaluated(Work):
    """A trial stands after an evaluation."""

    op: Literal["evaluated"] = "evaluated"
    progress: Progress
    memory_bytes: int = Field(default=0, description="what the trial holds while it stands")


class Failed(Work):
    """A trial is over. `fatal`: its process cannot be used any more and exits. `refused`: it never began, because of
    what the study asks for."""

    op: Literal["failed"] = "failed"
    reason: FailReason
    message: str
    fatal: bool = False
    refused: bool = False


class Snapshotted(Work):
    """A trial's snapshot lies in its folder; the trial stands in memory still."""

    op: Literal["snapshotted"] = "snapshotted"


class Spilled(Work):
    """A trial's snapshot lies in its folder, and it no longer stands in memory."""

    op: Literal["spilled"] = "spilled"


class Finished(Work):
    """A trial is closed."""

    op: Literal["finished"] = "finished"


class Died(Frozen):
    """The slot's process is gone, and with it all that stood in it; a fresh one says `Ready`. `killed`: by others."""

    op: Literal["died"] = "died"
    reason: FailReason
    message: str
    killed: bool = False


Command = Warm | Begin | Measure | Start | Go | Snapshot | Finish | Drop | Release | Quit
Event = Ready | Measured | Evaluated | Failed | Snapshotted | Spilled | Finished | Died

COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="op")])
EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="op")])


def encode(message: Command | Event) -> bytes:
    """The message as JSON; NaN and infinities stay what they are."""
    return json.dumps(message.model_dump(mode="json")).encode()


def decode_command(wire: bytes) -> Command:
    """The command behind the bytes of `encode`."""
    return COMMANDS.validate_json(wire)


def decode_event(wire: bytes) -> Event:
    """The event behind the bytes of `encode`."""
    return EVENTS.validate_json(wire)
