"""Model FLOPs of a transformer: by formula from its shapes, and as torch counts them.

The formula is that of Chowdhery et al. 2022 (PaLM, appendix B), separately for each place of a matrix: 2 FLOPs a weight
and token in the blocks, 4 a token, token and attention channel, heads once a sample. The backward pass costs the same
again for the gradients of weights, and of inputs where something below is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from harness.training.fast.compact import CompactEmbedding
from harness.training.trainable.freeze import repeated_blocks

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["AGREE", "Flops", "count_flops", "flops_formula", "tokens_of"]

#: The counter and the formula agree when they are nearer than this.
AGREE = 0.02
#: Heads that compute every position and choose one afterwards; those of models for tags and for answers need all.
_EVERYWHERE, _FOR_TOKENS = ("score",), ("ForTokenClassification", "ForQuestionAnswering")


@dataclass(frozen=True, slots=True)
class Flops:
    """FLOPs of a sample of n tokens: per_sample + per_token * n + per_square * n * n."""

    per_sample: float
    per_token: float
    per_square: float

    def of(self, lengths: np.ndarray) -> float:
        """Returns the FLOPs of samples of `lengths` [samples] tokens, together."""
        tokens = np.asarray(lengths, dtype=np.float64)
        per_sample = self.per_sample + self.per_token * tokens + self.per_square * tokens**2
        return float(per_sample.sum())


def flops_formula(model: PreTrainedModel, *, training: bool) -> Flops | None:
    """Returns the FLOPs of a model; None where the formula does not cover it (a convolutional model, say).

    Args:
        model: with its head, and with the frozen weights marked so.
        training: forward and backward; False: forward only.
    """
    width = _attention_width(model.config)
    stacks = repeated_blocks(model)
    if width is None or not stacks:
        return None
    factors = _Backward() if training else None
    patches = _patches(model.config)
    once, everywhere = _outside(model, stacks, factors, patches)
    in_blocks, attentions = 0.0, 0.0
    for stack in stacks:
        for block in stack:
            passes = factors.of(list(block.parameters())) if factors else (1, 1)
            in_blocks += 2 * passes[0] * _matrix_weights(block)
            attentions += passes[1] * _num_attentions(block)
    per_token, per_square = in_blocks + everywhere, 4 * width * attentions
    if patches is None:
        return Flops(once, per_token, per_square)
    tokens = patches + _extra_tokens(model)
    return Flops(once + in_blocks * tokens + everywhere * patches + per_square * tokens**2, 0.0, 0.0)


class _Backward:
    """Counts how many times the forward cost a training step takes, from the inputs up to the head."""

    def __init__(self) -> None:
        self._trained_below = False

    def of(self, parameters: Sequence[torch.nn.Parameter]) -> tuple[int, int]:
        """Returns the factors of products with these weights and of attention on their outputs, and moves above them.

        The first weights that are trained have inputs without gradients; only the first products of a block save that.
        """
        trained = any(parameter.requires_grad for parameter in parameters)
        self._trained_below |= trained
        return 1 + trained + self._trained_below, 3 if self._trained_below else 1


def _outside(
    model: PreTrainedModel, stacks: list[torch.nn.ModuleList], factors: _Backward | None, patches: int | None
) -> tuple[float, float]:
    """Returns FLOPs a sample, and a token or patch, of the matrices outside the blocks; `factors` moves above them."""
    inside = {id(module) for stack in stacks for module in stack.modules()}
    below: dict[str, torch.nn.Module] = {}
    above: dict[str, torch.nn.Module] = {}
    reached = False
    for name, module in model.named_modules():
        reached |= id(module) in inside
        if id(module) not in inside:
            (above if reached else below)[name] = module
    passes = factors.of([p for module in below.values() for p in module.parameters(recurse=False)]) if factors else (1,)
    everywhere = 0.0
    for module in below.values():
        # Pixels need no gradient: forward, and the gradient of the weights.
        pixels = patches is not None and isinstance(module, torch.nn.Conv2d)
        everywhere += 2 * (passes[0] - (pixels and passes[0] == 3)) * _own_matrix(module)
    heads = 2 * (3 if factors else 1)
    once = 0.0
    for name, module in above.items():
        if name in _EVERYWHERE or type(model).__name__.removesuffix("Simple").endswith(_FOR_TOKENS):
            everywhere += heads * _own_matrix(module)
        else:
            once += heads * _own_matrix(module)
    return once, everywhere


def _own_matrix(module: torch.nn.Module) -> int:
    """Counts the weights in this module itself that a token is multiplied with: of linear layers and convolutions."""
    if isinstance(module, (torch.nn.Embedding, CompactEmbedding)):
        return 0  # looked up, not multiplied with
    return sum(p.numel() for name, p in module.named_parameters(recurse=False) if name == "weight" and p.ndim > 1)


def _matrix_weights(block: torch.nn.Module) -> int:
    return sum(_own_matrix(module) for module in block.modules())


def _num_attentions(block: torch.nn.Module) -> int:
    """Counts the attention modules of a block: one, or two where a decoder attends to an encoder too."""
    names = [name for name, _ in block.named_modules() if name]
    cross = any("EncDecAttention" in name or "encoder_attn" in name or "crossattention" in name for name in names)
    return 2 if cross else 1


def _attention_width(config: PreTrainedConfig) -> int | None:
    """Returns heads times the size of a head."""
    heads, width = getattr(config, "num_attention_heads", None), getattr(config, "hidden_size", None)
    if not isinstance(heads, int) or not isinstance(width, int) or not heads:
        return None
    size = getattr(config, "d_kv", None) or getattr(config, "head_dim", None) or width // heads
    return heads * int(size)


def _patches(config: PreTrainedConfig) -> int | None:
    """Returns the patches of an image; None for texts."""
    image, patch = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    return (image // patch) ** 2 if isinstance(image, int) and isinstance(patch, int) else None


def _extra_tokens(model: PreTrainedModel) -> int:
    """Counts class and distillation tokens."""
    names = {name.rpartition(".")[2] for name, _ in model.named_parameters()}
    return len(names & {"cls_token", "distillation_token"})


def tokens_of(config: PreTrainedConfig, length: int) -> int:
    """Returns the tokens of a sample of `length` in the blocks; an image has length 1 and a token for each patch."""
    patches = _patches(config)
    return length if patches is None else patches * length


def count_flops(step: Callable[[], object]) -> float:
    """Returns the FLOPs of `step`, counted by torch operation by operation."""
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops())
