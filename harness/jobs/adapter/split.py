"""Takes the adapter out of an exported model: what its weights have more than those of its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.checkpoints import resolve
from harness.data.checkpoints.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS, LORA_A, LORA_B, PREFIX, read_as_named
from harness.errors import HarnessError, RunError
from harness.spec.trial import TrialModel
from harness.tasks.models import quiet

if TYPE_CHECKING:
    import torch

__all__ = ["keep_adapter_alone"]

#: The kind of a task as PEFT calls it, by the auto class of its model.
_KINDS = {
    "AutoModelForSequenceClassification": "SEQ_CLS",
    "AutoModelForTokenClassification": "TOKEN_CLS",
    "AutoModelForQuestionAnswering": "QUESTION_ANS",
    "AutoModelForCausalLM": "CAUSAL_LM",
    "AutoModelForSeq2SeqLM": "SEQ_2_SEQ_LM",
}
#: The largest part of an adapter that its matrices may fail to give back: fp32 weights lose no more by merging.
_ROUNDING = 1e-3


def keep_adapter_alone(folder: Path, model: TrialModel, auto: str) -> None:
    """Replaces the weights in the folder of an export by the adapter that made them, as PEFT saves one.

    An adapter of rank r adds a matrix of rank r to a weight. So its two matrices are the largest r parts of the
    difference to the checkpoint (singular value decomposition), but for how they share it. Heads are kept whole.

    Raises:
        RunError: the trial was not trained with an adapter.
        HarnessError: the difference to the checkpoint is more than an adapter.
    """
    from safetensors.torch import load_file, save_file

    if model.adapter == "none":
        raise RunError("the trial was trained without an adapter (model.adapter: none), so there is none to export")
    weights = load_file(folder / "model.safetensors")
    base = read_as_named(f"'{model.checkpoint}'", resolve(model.checkpoint).folder, _of_blocks(weights))
    backbone, transposed = _layers(folder, auto)
    tensors: dict[str, torch.Tensor] = {}
    layers: list[str] = []
    for name, value in weights.items():
        before = base.get(name)
        if before is not None and before.shape == value.shape and bool((value == before).all()):
            continue
        if before is None or name not in backbone or before.shape != value.shape:
            tensors[PREFIX + name] = value
        else:
            layer = name.removesuffix(".weight")
            a, b = _factors(name, value - before, model, is_transposed=layer in transposed)
            tensors |= {f"{PREFIX}{layer}{LORA_A}": a, f"{PREFIX}{layer}{LORA_B}": b}
            layers.append(layer)
    whole = sorted({name.removeprefix(PREFIX).rpartition(".")[0] for name in tensors if ".lora_" not in name})
    settings = {
        "peft_type": "LORA",
        "task_type": _KINDS.get(auto),
        "base_model_name_or_path": model.checkpoint,
        "r": model.rank,
        "lora_alpha": model.alpha,
        "lora_dropout": model.adapter_dropout,
        "target_modules": layers,
        "modules_to_save": whole or None,
        "fan_in_fan_out": bool(transposed),
        "bias": "none",
        "inference_mode": True,
    }
    (folder / ADAPTER_CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    save_file({name: value.contiguous() for name, value in tensors.items()}, folder / ADAPTER_WEIGHTS, {"format": "pt"})
    (folder / "model.safetensors").unlink()
    (folder / "config.json").unlink()


def _of_blocks(names: Collection[str]) -> list[str]:
    """Returns the names that stand within the blocks of a model: a backbone has them all, under some name."""
    return [name for name in names if any(part.isdigit() for part in name.split("."))]


def _factors(
    name: str, difference: torch.Tensor, model: TrialModel, *, is_transposed: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the matrices A [rank, inputs] and B [outputs, rank] of an adapter that adds `difference`.

    Raises:
        HarnessError: a matrix of the rank does not give it back.
    """
    import torch

    if difference.ndim != 2:
        raise HarnessError(f"'{name}' differs from the checkpoint's and is no matrix: no adapter does that")
    product = (difference.T if is_transposed else difference) / (model.alpha / model.rank)
    left, values, right = torch.linalg.svd(product, full_matrices=False)
    roots = values[: model.rank].sqrt()
    a, b = roots[:, None] * right[: model.rank], left[:, : model.rank] * roots
    if float(torch.linalg.norm(product - b @ a)) > _ROUNDING * float(torch.linalg.norm(product)):
        raise HarnessError(f"'{name}' differs from the checkpoint's by more than an adapter of rank {model.rank}")
    return a, b


def _layers(folder: Path, auto: str) -> tuple[set[str], set[str]]:
    """Returns the names of the backbone's parameters, and of layers with weights [inputs, outputs], as GPT-2 has."""
    import torch
    import transformers
    from transformers.pytorch_utils import Conv1D

    with quiet(), torch.device("meta"):
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        built = getattr(transformers, auto).from_config(config, trust_remote_code=False)
    inside = {id(parameter) for parameter in built.base_model.parameters()}
    backbone = {name for name, parameter in built.named_parameters() if id(parameter) in inside}
    return backbone, {name for name, module in built.named_modules() if isinstance(module, Conv1D)}
