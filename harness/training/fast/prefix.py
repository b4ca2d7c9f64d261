"""The frozen lower part of a model, left out of a step where its activations are passed in.

It works through hooks on one model, whose modules and names stay as they are, so that the model is trained, copied and
written like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from harness.spec.study import Freeze
from harness.training.trainable.frozen import frozen_blocks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["FrozenPrefix", "NotSkippable"]

#: Begins the names of the model's keyword arguments that carry activations.
_PREFIX = "frozen_prefix."


class NotSkippable(Exception):
    """The frozen part of this model cannot be left out of a step; the message says why."""


class _Reached(Exception):
    """Ends a forward call at the top of the frozen part and carries its activations."""

    def __init__(self, activations: dict[str, torch.Tensor], kind: str) -> None:
        super().__init__()
        self.activations, self.kind = activations, kind


class FrozenPrefix:
    """Everything of `model` up to its first trained layer: embeddings, the lowest blocks, or the whole backbone.

    It runs without dropout (`trainable/frozen.py`). When activations are passed to the model (`arguments`), its
    blocks or its backbone do not run.
    """

    def __init__(self, model: PreTrainedModel, freeze: Freeze) -> None:
        """Installs the hooks on `model`; `freeze` is backbone or a number of layers."""
        self._model, self._base = model, model.base_model
        self._activations: dict[str, Any] = {}
        self._stopping = False
        #: The class name of a backbone's output and the names of its tensor fields, in order.
        self.output: Sequence[Any] = ("", [])
        self._blocks = frozen_blocks(model, freeze)
        model.register_forward_pre_hook(self._take_activations, with_kwargs=True)
        if self._blocks:
            self._blocks[0].register_forward_pre_hook(self._inject, with_kwargs=True)
            for block in self._blocks:
                self._replace_forward(block, self._skip_block)
            self._blocks[-1].register_forward_hook(self._leave)
        else:
            self._replace_forward(self._base, self._backbone_output)
            self._base.register_forward_hook(self._leave)

    def _replace_forward(self, module: torch.nn.Module, instead: Callable[..., Any]) -> None:
        """Makes `module` call `instead(module, *args, **kwargs)` when activations are passed in."""
        forward = module.forward

        def either(*args: Any, **kwargs: Any) -> Any:
            return instead(module, *args, **kwargs) if self._activations else forward(*args, **kwargs)

        module.forward = either

    def _take_activations(
        self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        self._activations = {
            name.removeprefix(_PREFIX): value for name, value in kwargs.items() if name.startswith(_PREFIX)
        }
        return args, {name: value for name, value in kwargs.items() if not name.startswith(_PREFIX)}

    def _leave(self, module: torch.nn.Module, args: Any, output: Any) -> None:
        if self._stopping:
            raise _Reached(self._tensors(output), type(output).__name__)

    def _tensors(self, output: Any) -> dict[str, torch.Tensor]:
        if not self._blocks:
            return {name: value for name, value in output.items() if isinstance(value, torch.Tensor)}
        return {"hidden": output[0] if isinstance(output, tuple) else output}

    def _inject(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        """Replaces the embeddings by the activations that were passed in."""
        return ((self._activations["hidden"], *args[1:]), kwargs) if self._activations else None

    @staticmethod
    def _skip_block(block: Any, hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Returns what a block returns when it leaves the hidden states unchanged."""
        attention = getattr(block.layer[0], "SelfAttention", None) if hasattr(block, "layer") else None
        if attention is None:
            return hidden
        # T5's first block computes the position bias of all (T5Stack.forward hands it on as the second argument).
        bias = args[1] if args[1] is not None else attention.compute_bias(*hidden.shape[1:2] * 2, device=hidden.device)
        return hidden, bias, None

    def _backbone_output(self, base: Any, *args: Any, **kwargs: Any) -> Any:
        """Builds the backbone's output of the activations; fields that no head reads are one zero a row."""
        from transformers import modeling_outputs

        first = next(iter(self._activations.values()))
        unread = first.new_zeros(1).expand(len(first))
        kind, names = self.output
        return getattr(modeling_outputs, kind)(**{name: self._activations.get(name, unread) for name in names})

    def compute(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns the activations of a batch by name: [batch, length, width], or [batch, ...] of a backbone.

        Raises:
            NotSkippable: a forward pass does not reach the end of the frozen part.
        """
        self._stopping = True
        try:
            self._model(**inputs)
        except _Reached as reached:
            self.output = (reached.kind, list(reached.activations))
            return reached.activations
        finally:
            self._stopping = False
        raise NotSkippable("its layers are not run one after the other")

    def arguments(self, activations: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns activations as keyword arguments of the model, to be passed beside its inputs."""
        return {_PREFIX + name: value for name, value in activations.items()}
