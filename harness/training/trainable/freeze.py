"""Which parameters of a model are trained, found by how transformers builds its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import CheckpointError, unknown_name
from harness.spec.study import Freeze

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["depths", "freeze_parameters", "repeated_blocks"]

NAMES = ("none", "embeddings", "backbone")


def freeze_parameters(model: PreTrainedModel, freeze: Freeze) -> None:
    """Sets `requires_grad`: none freezes nothing, backbone all but the head, k the embeddings and the lowest k blocks.

    In an encoder-decoder, k counts the blocks of the encoder: the decoder is above all of them.

    Raises:
        CheckpointError: the model has no embeddings, or not as many blocks, or nothing is left to train.
        InputError: `freeze` is none of the allowed words.
    """
    if isinstance(freeze, str) and freeze not in NAMES:
        raise unknown_name("model.freeze", freeze, (*NAMES, "a number of layers"))
    model.requires_grad_(True)
    if freeze == "none":
        return
    if freeze == "backbone":
        model.base_model.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise CheckpointError(
                f"model.freeze: backbone leaves nothing of this {model.config.model_type} model to train: its head is "
                "part of it; use none, embeddings or a number of layers"
            )
        return
    stacks = repeated_blocks(model)
    inside = {id(parameter) for stack in stacks for parameter in stack.parameters()}
    frozen = [parameter for parameter in _embeddings(model) if id(parameter) not in inside]
    if not frozen:
        raise CheckpointError(
            f"model.freeze: a {model.config.model_type} model has no embeddings; use none or backbone"
        )
    if isinstance(freeze, int):
        num_blocks = len(stacks[0]) if stacks else 0
        if freeze > num_blocks:
            raise CheckpointError(f"model.freeze: {freeze} layers cannot be frozen: the model has {num_blocks}")
        frozen += [parameter for block in stacks[0][:freeze] for parameter in block.parameters()]
    for parameter in frozen:
        parameter.requires_grad_(False)


def depths(model: PreTrainedModel) -> dict[int, int]:
    """Returns how far each parameter is from the top, by `id(parameter)`.

    The head, and what follows the last block, is 0, the last block 1, the first block of n is n, and the embeddings
    n + 1. The blocks of a decoder are above those of its encoder.

    Raises:
        CheckpointError: the model has no repeated blocks.
    """
    blocks = [block for stack in repeated_blocks(model) for block in stack]
    if not blocks:
        raise CheckpointError(
            f"training.layer_decay: a {model.config.model_type} model has no repeated blocks of layers; use 1.0"
        )
    found = {id(parameter): 0 for parameter in model.parameters()}
    found |= {id(parameter): len(blocks) + 1 for parameter in _embeddings(model)}
    for at, block in enumerate(blocks):
        found |= {id(parameter): len(blocks) - at for parameter in block.parameters()}
    return found


def repeated_blocks(model: PreTrainedModel) -> list[torch.nn.ModuleList]:
    """The stacks of equal blocks (encoder.layer, h, encoder.block and decoder.block, ...), outermost only, in order."""
    import torch

    stacks: list[torch.nn.ModuleList] = []
    inside: set[torch.nn.Module] = set()
    for module in model.base_model.modules():
        if (
            isinstance(module, torch.nn.ModuleList)
            and module not in inside
            and len({type(part) for part in module}) == 1
        ):
            stacks.append(module)
            inside.update(module.modules())
    return stacks


def _embeddings(model: PreTrainedModel) -> list[torch.nn.Parameter]:
    """Parameters of modules called embeddings (ELECTRA's projection of them too), and of nn.Embedding."""
    import torch

    modules = dict(model.base_model.named_modules())
    return [
        parameter
        for name, parameter in model.base_model.named_parameters()
        if "embed" in name or isinstance(modules[name.rpartition(".")[0]], torch.nn.Embedding)
    ]
