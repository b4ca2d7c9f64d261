"""Refuses lengths before anything is measured: more tokens than a model takes, and lengths of images."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from harness.benchmark.plan import PlannedCell
from harness.data.checkpoints import resolve
from harness.data.prepared import PreparedData
from harness.errors import InputError
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialModel
from harness.tasks.models import model_config
from harness.tasks.token_ids import length_limit
from harness.tasks.tokenizers import load_tokenizer

__all__ = ["refuse_lengths"]


def refuse_lengths(planned: Iterable[PlannedCell], data: PreparedData) -> None:
    """Refuses impossible lengths (for `scratch`, whose tokenizer is not trained yet, the cell itself does).

    Raises:
        InputError: a length above the model's maximum, or of images.
        CheckpointError: a checkpoint that is not there, or cannot be read.
    """
    limits: dict[str, int] = {}
    for cell in planned:
        length, checkpoint = cell.setting("length"), cell.config.model.checkpoint
        if not isinstance(length, int):
            continue
        if data.meta.image:
            raise InputError("--length is for texts; the images of a study have one size")
        if facts_of(data.meta.task).is_tabular:
            raise InputError("--length is for texts, and this study reads columns of a table; leave it out")
        if checkpoint != "scratch" and checkpoint not in limits:
            limits[checkpoint] = _most_tokens(checkpoint)
        most = limits.get(checkpoint, sys.maxsize)
        if length > most:
            raise InputError(f"--length {length}: {cell.checkpoint} takes at most {most} tokens")


def _most_tokens(checkpoint: str) -> int:
    settings = model_config(TrialModel(checkpoint=checkpoint))
    return length_limit(settings, load_tokenizer(resolve(checkpoint).folder), sys.maxsize)
