"""Turns the folder of an export into that of its adapter, with card and manifest."""

from __future__ import annotations

from pathlib import Path

from harness.data.checkpoints.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from harness.errors import RunError
from harness.jobs.adapter.split import keep_adapter_alone
from harness.records.exported import MANIFEST, read_export, write_export
from harness.records.files import sha256_of
from harness.spec.trial import TrialConfig
from harness.tasks import task_of

__all__ = ["ADAPTER_FILES", "keep_adapter"]

#: The files of every export of an adapter.
ADAPTER_FILES = (ADAPTER_CONFIG, ADAPTER_WEIGHTS, MANIFEST)
_CARD, _BEFORE = "README.md", "\n## How good it is\n"


def keep_adapter(folder: Path, config: TrialConfig) -> None:
    """Leaves the adapter of an export alone in its folder; card and manifest say so.

    Raises:
        RunError: the trial had no adapter, or one on a part of a checkpoint.
        HarnessError: the weights are not the checkpoint's and an adapter.
    """
    model = config.model
    if model.layers is not None:
        raise RunError(
            f"the adapter was trained on the first {model.layers} layers of '{model.checkpoint}', and fits these "
            "alone; export the whole model"
        )
    keep_adapter_alone(folder, model, task_of(config.task).auto)
    card = (folder / _CARD).read_text(encoding="utf-8")
    note = (
        "\nThis folder holds the adapter alone. Load it on its checkpoint with PEFT, "
        "`PeftModel.from_pretrained(model, FOLDER)`, or give the folder as `model.checkpoint` of a study. "
        "`harness predict` reads whole models: `harness export RUN --to DIR` writes one.\n"
    )
    (folder / _CARD).write_text(card.replace(_BEFORE, note + _BEFORE, 1), encoding="utf-8")
    hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    write_export(folder, read_export(folder).model_copy(update={"files": hashes}))
