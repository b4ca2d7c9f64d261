"""Checks, before the first trial, that a model can be trained and answers each row the same in any batch."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.data.encoded import Encoded
from harness.data.prepared import PreparedData
from harness.errors import CheckpointError, HarnessError
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.base import Task
from harness.training import device as devices
from harness.training.evaluate import evaluating, to_device
from harness.training.host import Host
from harness.training.model import template_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["check_model"]

#: The first training rows, of which the shortest and the longest are used.
ROWS = 64
#: The answer for a row beside a longer one differs from that alone by no more than this, relative to the largest.
TOLERANCE = 1e-3
SMALL = 2**20


def check_model(config: TrialConfig, data: PreparedData, host: Host) -> None:
    """Computes the answers for two training rows together, those for the shorter one alone, and one backward pass.

    Nothing of the model or of the random state changes. Too little memory is no error here: trials split their batches.

    Raises:
        CheckpointError: the model cannot be trained on the data, or its answers depend on the other rows of a batch.
        HarnessError: the checkpoint or the data cannot be used.
    """
    task, device = task_of(config.task), devices.bind(host.place)
    examples = task.encode(data.frame("train").head(ROWS), "validation", config, data)
    rows = np.argsort(np.asarray(examples.lengths), kind="stable")[[0, -1 if examples.may_pad else 0]]
    model = template_of(config, data, host, device)
    where = f"model.checkpoint: '{config.model.checkpoint}': a {model.config.model_type} model"
    where += "" if config.model.layers is None else f" of {config.model.layers} layers"
    try:
        with devices.kept_random(device), evaluating(model):
            difference = _difference(model, task, examples, rows, device)
    except HarnessError:
        raise
    except Exception as error:
        if devices.is_out_of_memory(error):
            return
        first = next(iter(str(error).strip().splitlines()), "")
        reason = f"{type(error).__name__}: {first[:200]}" if first else type(error).__name__
        raise CheckpointError(f"{where} cannot be trained on this data ({reason}); choose another") from error
    if difference != difference:
        raise CheckpointError(f"{where} answers a row with NaN: its weights are damaged; copy or download them again")
    if difference > TOLERANCE:
        raise CheckpointError(f"{where} gives a row another answer beside another row than alone; choose another")


def _difference(model: PreTrainedModel, task: Task, examples: Encoded, rows: np.ndarray, device: torch.device) -> float:
    """Returns how far the answer for the first row beside the other is from that alone, relative to the largest.

    NaN where an answer is NaN.
    """
    together = _answers(model, task, examples, rows, device)
    if any(bool(answer.isnan().any()) for answer in together):
        return float("nan")
    loss = torch.stack([answer.float().sum() for answer in together]).sum()
    # The gradient of the first small parameter goes back through all layers, and takes no memory.
    small = (weight for weight in model.parameters() if weight.requires_grad and weight.numel() <= SMALL)
    torch.autograd.grad(loss, list(islice(small, 1)), allow_unused=True)
    with torch.no_grad():
        alone = _answers(model, task, examples, rows[:1], device)
    differences = [0.0]
    for both, one in zip((answer.detach() for answer in together), alone, strict=True):
        if one.shape[1:] == both.shape[1:]:  # answers for each token are as long as the batch
            largest = max(float(both.abs().max()), torch.finfo(torch.float32).tiny)
            difference = (both[: len(one)].float() - one.float()).abs()
            differences.append(float(difference.max()) / largest if difference.numel() else 0.0)
    return max(differences)


def _answers(
    model: PreTrainedModel, task: Task, examples: Encoded, rows: np.ndarray, device: torch.device
) -> list[torch.Tensor]:
    """Returns what the task reads of the model's output."""
    output = model(**to_device(task.collate(examples, rows), model, device))
    return [getattr(output, name) for name in task.reads]
