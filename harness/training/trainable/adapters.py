"""Low-rank adapters in the linear layers of a checkpoint (`model.adapter: lora`), by PEFT."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from harness.errors import CheckpointError, MissingPackage, nearest, unknown_name
from harness.runtime import IMPORTING
from harness.spec.trial import TrialModel
from harness.tasks.models import quiet

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["add_adapter", "is_of_adapter", "merged"]

NAMES = ("none", "lora")
#: The names of an adapter's matrices behind that of their layer, and what the layer's own parameters are called then.
_A, _B, _OWN = ".lora_A.default.weight", ".lora_B.default.weight", ".base_layer."


def is_of_adapter(name: str) -> bool:
    """Returns True for the name of a parameter that belongs to an adapter, and not to the model that is saved."""
    return name.endswith((_A, _B))


def add_adapter(model: PreTrainedModel, spec: TrialModel, drawn: Collection[str]) -> None:
    """Adds low-rank matrices to the linear layers that are to be trained, and freezes these layers (Hu et al. 2021).

    What is `drawn` anew (by name), and what is outside of the backbone, is trained as a whole; the output layer of a
    language model is part of its backbone. The matrices are drawn from the current random state.

    Raises:
        InputError: there is no such adapter.
        CheckpointError: no layer is left to adapt, or a name of `targets` is that of none.
        MissingPackage: peft is not installed.
    """
    if spec.adapter not in NAMES:
        raise unknown_name("model.adapter", spec.adapter, NAMES)
    if spec.adapter == "none":
        return
    if spec.checkpoint == "scratch":
        raise CheckpointError("model.adapter: lora goes with a pretrained checkpoint: scratch has no weights to adapt")
    try:
        with IMPORTING:
            from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingPackage(
            "model.adapter: lora needs the package peft: pip install 'finetune-harness[lora]'"
        ) from error
    whole = _trained_whole(model, drawn)
    layers = _adaptable(model, whole)
    chosen = layers if spec.targets == "auto" else _named(layers, spec.targets)
    if not chosen:
        raise CheckpointError(
            f"model.adapter: lora: this {model.config.model_type} model has no linear layer to adapt outside of its "
            f"head (model.freeze: {spec.freeze}); freeze less, or use adapter: none"
        )
    settings = LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,  # type: ignore[arg-type]  # any number will do
        lora_dropout=spec.adapter_dropout,
        target_modules="|".join(map(re.escape, chosen)),
        bias="none",
    )
    with quiet():  # it warns of what it sets right by itself
        inject_adapter_in_model(settings, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_of_adapter(name) or id(parameter) in whole)


def _trained_whole(model: PreTrainedModel, drawn: Collection[str]) -> set[int]:
    """Returns the parameters, by id, that are trained themselves: what is new, and the head."""
    output = model.get_output_embeddings() if model.can_generate() else None
    backbone = {id(parameter) for parameter in model.base_model.parameters()}
    backbone |= {id(parameter) for parameter in output.parameters()} if output is not None else set()
    return {
        id(parameter)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (name in drawn or id(parameter) not in backbone)
    }


def _adaptable(model: PreTrainedModel, whole: set[int]) -> list[str]:
    """Returns the names of the linear layers of the backbone that are not frozen, and not trained as a whole."""
    import torch
    from transformers.pytorch_utils import Conv1D

    output = model.get_output_embeddings() if model.can_generate() else None
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D))
        and module is not output
        and module.weight.requires_grad
        and id(module.weight) not in whole
    ]


def _named(layers: Collection[str], targets: Collection[str]) -> list[str]:
    """Returns the layers whose names end with one of `targets`.

    Raises:
        CheckpointError: a target is the name of none.
    """
    for target in targets:
        if not any(f".{layer}".endswith(f".{target}") for layer in layers):
            ends = sorted({layer.rpartition(".")[2] for layer in layers})
            raise CheckpointError(
                f"model.targets: no layer to adapt is called '{target}'; there are {', '.join(ends)}"
                f"{nearest(target, ends)}"
            )
    return [layer for layer in layers if any(f".{layer}".endswith(f".{target}") for target in targets)]


def merged(model: torch.nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns tensors by name as a model without adapters has them: each adapter is added to its layer's weight.

    `state` are the fp32 values of the parameters of `model`, by their names in it.
    """
    weights = dict(state)
    for layer in [name.removesuffix(_A) for name in state if name.endswith(_A)]:
        module: Any = model.get_submodule(layer)
        product = module.scaling["default"] * (state[layer + _B] @ state[layer + _A])
        own = f"{layer}{_OWN}weight"
        weights[own] = state[own] + (product.T if module.fan_in_fan_out else product)
    return {name.replace(_OWN, "."): value for name, value in weights.items() if not is_of_adapter(name)}
