"""A trial that trains nothing: what is left is what the engine and the study cost.

Workers import it as `nothing:no_trial`; it must not import torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from harness.records.schema import Progress, Usage
from harness.spec.trial import TrialConfig
from harness.training.host import Host

STEPS = 64


class Nothing:
    """A paused trial of no size."""

    memory_bytes = 0

    def __init__(self, progress: Progress, history: list[Progress]) -> None:
        self.progress, self._history = progress, history

    def save(self, folder: Path) -> None:
        (folder / "nothing").touch()

    def snapshot(self, folder: Path) -> None:
        rows = [progress.model_dump(mode="json") for progress in self._history]
        (folder / "history.json").write_text(json.dumps(rows), encoding="utf-8")


def no_trial(config: TrialConfig, data: str, host: Host, resume: Path | None = None) -> Iterator[Nothing]:
    """Reports at each evaluation and does nothing between."""
    history: list[Progress] = []
    if resume is not None:
        rows = json.loads((resume / "history.json").read_text(encoding="utf-8"))
        history = [Progress.model_validate(row) for row in rows]
    for fraction in config.evaluate_at:
        step = max(1, round(fraction * STEPS))
        if history and step <= history[-1].step:
            continue
        value = 1 / (1 + abs(config.training.learning_rate - 1e-3))
        metrics = {"accuracy": value * step / STEPS, "log_loss": 1 - value}
        history.append(
            Progress(
                number=config.number,
                step=step,
                total_steps=STEPS,
                epoch=step / STEPS,
                num_rows=1,
                metrics=metrics,
                train_loss=1.0,
                usage=Usage(elapsed_s=0.001 * step),
            )
        )
        yield Nothing(history[-1], history)
