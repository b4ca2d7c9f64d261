"""Clips, steps AdamW and refreshes bf16 weights in one pass over memory, on a CPU with few threads.

The compiled half is `_one_pass.c`. Where no C compiler was there at installation, and for weights that it does not
support, torch's own operations do the same, equal but for rounding. The moments are stored where torch's AdamW has
them, so that either continues from the other and snapshots are alike.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from ctypes import CDLL, Array, Structure, byref, c_double, c_float, c_size_t, c_void_p
from functools import cache
from typing import Any

import torch

from harness.training.weights import FlatWeights

__all__ = ["OnePass", "one_pass"]

#: The pass has one thread, which fills the memory bus of two cores; with more, torch's own operations are faster.
MAX_THREADS = 2


class _Recipe(Structure):
    """`struct recipe` of the compiled half."""

    _fields_ = [
        (name, c_float) for name in ("scale", "keep", "step_size", "correction", "new1", "beta2", "new2", "epsilon")
    ]


class OnePass:
    """Steps `optimiser` over `weights`, directly from the bf16 gradients that the model's parameters hold."""

    def __init__(self, library: CDLL, weights: FlatWeights, optimiser: torch.optim.AdamW) -> None:
        self._library, self._weights, self._optimiser = library, weights, optimiser

    @property
    def pays(self) -> bool:
        """Whether the pass is at least as fast as torch's own operations with the threads that this process has now."""
        return torch.get_num_threads() <= MAX_THREADS

    @torch.no_grad()
    def step(self, max_norm: float | None) -> None:
        """Makes one step with gradients clipped to `max_norm`; frees the gradients, as `FlatWeights.gather` does."""
        tensors = [[_gradient(parameter) for parameter in group] for group in self._weights.groups]
        gradients = [_addresses(group) for group in tensors]
        counts = [(c_size_t * len(group))(*(gradient.numel() for gradient in group)) for group in tensors]
        scale = 1.0
        if max_norm is not None:
            parts = zip(gradients, counts, strict=True)
            squares = sum(self._library.sum_of_squares(group, count, len(count)) for group, count in parts)
            over = math.sqrt(squares) / max_norm
            scale = 1.0 if over <= 1 else 1 / over  # NaN stays NaN
        for at, options in enumerate(self._optimiser.param_groups):
            master = self._weights.masters[at]
            state = self._optimiser.state[master]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(master), torch.zeros_like(master)
            state["step"] += 1
            flat = [tensor.data_ptr() for tensor in (master, state["exp_avg"], state["exp_avg_sq"])]
            weights = _addresses(self._weights.groups[at])
            recipe = byref(_recipe(options, int(state["step"]), scale))
            self._library.step(*flat, weights, gradients[at], counts[at], len(weights), recipe)
        self._weights.forget_gradients()


def one_pass(weights: FlatWeights, optimiser: torch.optim.AdamW) -> OnePass | None:
    """Returns the pass over `weights`; None where it is not compiled or not all of them are bf16 on the CPU."""
    parameters = [parameter for group in weights.groups for parameter in group]
    fits = all(parameter.dtype is torch.bfloat16 and parameter.device.type == "cpu" for parameter in parameters)
    library = _library() if parameters and fits else None
    return None if library is None else OnePass(library, weights, optimiser)


def _recipe(options: Mapping[str, Any], step: int, scale: float) -> _Recipe:
    """Returns AdamW's numbers at `step` (from 1) with the options of a parameter group."""
    (beta1, beta2), learning_rate = options["betas"], options["lr"]
    return _Recipe(
        scale=scale,
        keep=1 - learning_rate * options["weight_decay"],
        step_size=learning_rate / (1 - beta1**step),
        correction=1 / math.sqrt(1 - beta2**step),
        new1=1 - beta1,
        beta2=beta2,
        new2=1 - beta2,
        epsilon=options["eps"],
    )


def _addresses(tensors: Sequence[torch.Tensor]) -> Array[c_void_p]:
    return (c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    """Returns the gradient in the order of the parameter's memory; a missing one counts as 0."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.contiguous()


@cache
def _library() -> CDLL | None:
    """Loads the compiled half of this module; None where there is none, or none that this machine can load."""
    module = importlib.util.find_spec("harness.training.fast._one_pass")
    if module is None or module.origin is None:
        return None
    try:
        library = CDLL(module.origin)
    except OSError:
        return None
    library.sum_of_squares.argtypes, library.sum_of_squares.restype = [c_void_p, c_void_p, c_size_t], c_double
    library.step.argtypes, library.step.restype = [*[c_void_p] * 6, c_size_t, c_void_p], None
    return library
