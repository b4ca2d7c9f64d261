"""Forward and backward passes as CUDA graphs, one for each shape of batch that comes often.

Python launches the kernels of a step one by one, which takes longer than a small model's kernels run; a graph launches
all kernels of a pass at once. Shapes are few because lengths are rounded up.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.training import device as devices
from harness.training.plain import Forward

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["CAPTURED_AT", "MAX_GRAPHS", "MULTIPLE", "Capture", "CudaCapture", "ModelLogits", "StepGraphs"]

#: Lengths are rounded up to multiples of this.
MULTIPLE = 8
#: A capture costs several passes, so a shape is captured when it comes for this time.
CAPTURED_AT = 3
#: Every graph keeps gradients of its own; shapes beyond run kernel by kernel.
MAX_GRAPHS = 8
#: Key of a process's cache for why a capture failed; torch's allocator may be damaged by it, so no other is tried.
_FAILED = "step_graphs:failed"


class ModelLogits(torch.nn.Module):
    """The logits of `model` from its keyword arguments `names`, given as tensors in that order."""

    def __init__(self, model: PreTrainedModel, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names
        self._last: torch.Tensor | None = None

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Returns the logits [rows, ...]."""
        # A copy, because the autograd graph of a view cannot be cut off in place.
        self._last = self.model(**dict(zip(self.names, inputs, strict=True))).logits.clone()
        return self._last

    def cut_off(self) -> None:
        """Frees the autograd graph behind the logits of the last call, even while they are referenced elsewhere."""
        if self._last is not None:
            self._last.detach_()
            self._last = None


#: Returns a callable that does what a module does for inputs of the same shapes, backward pass included.
Capture = Callable[[ModelLogits, tuple[torch.Tensor, ...]], Callable[..., torch.Tensor]]


class CudaCapture:
    """Captures with `torch.cuda.make_graphed_callables`.

    The graphs of one `CudaCapture` share their memory: before the next is launched, one has finished its forward and
    backward pass and its gradients are copied.
    """

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, logits: ModelLogits, inputs: tuple[torch.Tensor, ...]) -> Callable[..., torch.Tensor]:
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        # A capture that fails leaves its own stream current; this one brings back the caller's.
        with torch.cuda.stream(torch.cuda.current_stream()):
            torch.cuda.make_graphed_callables(logits, inputs, allow_unused_input=True, pool=self._pool)
        # torch holds the captured logits, and they the autograd nodes of all parameters, which belong to the stream of
        # the capture: every later backward pass would wait for that stream.
        logits.cut_off()
        run: Callable[..., torch.Tensor] = vars(logits).pop("forward")
        return run


class StepGraphs(Forward):
    """The graphs of one model in training, whose task reads the logits alone.

    A capture leaves the active random state and the model's buffers as they were. Where memory does not suffice, or
    the model cannot be captured (it reads from the device in its forward pass), standard error says so, and steps run
    kernel by kernel.
    """

    def __init__(self, model: PreTrainedModel, device: torch.device, cache: dict[str, Any], capture: Capture) -> None:
        """`cache` outlives the model in this process."""
        super().__init__(model)
        self._device, self._cache, self._capture = device, cache, capture
        self._seen: Counter[tuple[Any, ...]] = Counter()
        self._graphs: dict[tuple[Any, ...], Callable[..., torch.Tensor]] = {}
        self._captures = True
        self.memory_bytes = 0
        if _FAILED in cache:
            self._give_up(cache[_FAILED])

    def padded_length(self, longest: int, lengths: np.ndarray, *, is_full: bool) -> int:
        """Rounds `longest` up where the micro-batch may run as a graph, but never beyond the longest row of all."""
        return min(-(-longest // MULTIPLE) * MULTIPLE, int(lengths.max())) if is_full else longest

    def __call__(self, inputs: Mapping[str, torch.Tensor], *, is_full: bool) -> Any:
        """Returns the model's output; of a graph the logits alone."""
        return SimpleNamespace(logits=self.logits(inputs)) if is_full else super().__call__(inputs, is_full=is_full)

    def logits(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Returns the model's logits [rows, ...] for its keyword arguments."""
        shape = tuple((name, *tensor.shape) for name, tensor in inputs.items())
        run = self._graphs.get(shape)
        if run is None and self._is_due(shape):
            run = self._captured(shape, inputs)
        logits: torch.Tensor = self._model(**inputs).logits if run is None else run(*inputs.values())
        return logits

    def _is_due(self, shape: tuple[Any, ...]) -> bool:
        if not self._captures or not self._model.training or len(self._graphs) == MAX_GRAPHS:
            return False
        self._seen[shape] += 1
        return self._seen[shape] >= CAPTURED_AT

    def _captured(
        self, shape: tuple[Any, ...], inputs: Mapping[str, torch.Tensor]
    ) -> Callable[..., torch.Tensor] | None:
        devices.empty_cache(self._device)
        before = devices.reserved_bytes(self._device)
        # The passes that warm up move the statistics of batch norms.
        buffers = [(buffer, buffer.clone()) for buffer in self._model.buffers()]
        try:
            with devices.CAPTURES, devices.kept_random(self._device):
                run = self._capture(ModelLogits(self._model, tuple(inputs)), tuple(inputs.values()))
            self._graphs[shape] = run
            self.memory_bytes += max(0, devices.reserved_bytes(self._device) - before)
            return run
        except RuntimeError as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            if not devices.is_out_of_memory(error):
                self._cache[_FAILED] = reason
        finally:
            for buffer, saved in buffers:
                buffer.copy_(saved)
        # Outside the except block: the traceback, and with it what the passes left, is gone.
        gc.collect()
        devices.empty_cache(self._device)
        self._give_up(reason)
        return None

    def _give_up(self, reason: str) -> None:
        self._captures = False
        sys.stderr.write(f"step_graphs: no more graphs are captured, other steps run as ever: {reason[:200]}\n")

    def forget(self) -> None:
        """Frees the graphs; shapes are counted anew."""
        if self._graphs:
            self._graphs.clear()
            self.memory_bytes = 0
            gc.collect()  # torch's classes around a graph are circles
        self._seen.clear()
