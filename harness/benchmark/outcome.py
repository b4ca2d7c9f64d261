"""A measurement as a trial: it is done after one pause, and saves one JSON document.

So a benchmark uses the engine's processes, their environment, and the handling of their deaths.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialRecord
from harness.search.fixed import FixedList
from harness.spec.trial import TrialConfig
from harness.stats.metric import COSTS

__all__ = ["Documents", "Outcome", "probe_config"]

NAME = "outcome.json"
OBJECTIVE = "samples_per_second"


class Outcome:
    """The only pause of a measurement."""

    def __init__(self, config: TrialConfig, document: dict[str, Any], samples_per_second: float = 0.0) -> None:
        self.document = document
        metrics = dict.fromkeys(config.objectives, COSTS[OBJECTIVE].low) | {OBJECTIVE: samples_per_second}
        self.progress = Progress(
            number=config.number, step=1, total_steps=1, epoch=0.0, num_rows=0, metrics=metrics, train_loss=0.0
        )

    def save(self, folder: Path) -> None:
        """Writes the document."""
        (folder / NAME).write_text(json.dumps(self.document), encoding="utf-8")

    def snapshot(self, folder: Path) -> None:
        """Writes nothing: a measurement is never resumed."""

    @property
    def memory_bytes(self) -> int:
        return 0


class Documents(FixedList):
    """A list of measurements; `on_end` gets each record as it ends, with its document, or None where it failed."""

    def __init__(
        self,
        configs: Sequence[TrialConfig],
        run: RunFolder,
        on_end: Callable[[TrialRecord, dict[str, Any] | None], None],
    ) -> None:
        super().__init__(configs, keep=True)
        self._folder, self._on_end = run, on_end

    def end(self, record: TrialRecord) -> TrialRecord:
        ended = super().end(record)
        path = self._folder.inside(record.weights) / NAME if record.weights else None
        self._on_end(record, json.loads(path.read_text(encoding="utf-8")) if path is not None else None)
        return ended


def probe_config(trial: TrialConfig, precisions: Sequence[str]) -> TrialConfig:
    """Returns the trial that measures a set-up: the ceilings of `precisions`, and what `auto` means for `trial`."""
    changes = {"number": 0, "kind": "bench", "params": {"precisions": tuple(precisions)}, "objectives": (OBJECTIVE,)}
    return trial.model_copy(update=changes | {"evaluate_at": (1.0,), "validation_rows": (None,)})
