"""The frozen lower part of a model: left out of a step where what it gives is at hand.

Works through hooks on one model, whose modules and names stay as they are, so that it is trained, copied and written
like any other.
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
_GIVEN = "frozen_prefix."


class NotSkippable(Exception):
    """The frozen part of this model cannot be left out of a step; the message says why."""


class _Reached(Exception):
    """Ends a forward call at the top of the frozen part."""

    def __init__(self, found: dict[str, torch.Tensor], kind: str) -> None:
        super().__init__()
        self.found, self.kind = found, kind


class FrozenPrefix:
    """Everything of `model` up to its first trained layer: embeddings, the lowest blocks, or the whole backbone.

    It runs without dropout (`trainable/frozen.py`). Where activations are given (`arguments`), its blocks or its
    backbone do not run.
    """

    def __init__(self, model: PreTrainedModel, freeze: Freeze) -> None:
        """Installs the hooks on `model`; `freeze` is backbone or a number of layers."""
        self._model, self._base = model, model.base_model
        self._given: dict[str, Any] = {}
        self._stopping = False
        #: Of a backbone: the name of its output's class, and the fields of that which are tensors, in order.
        self.output: Sequence[Any] = ("", [])
        self._blocks = frozen_blocks(model, freeze)
        model.register_forward_pre_hook(self._take_given, with_kwargs=True)
        if self._blocks:
            self._blocks[0].register_forward_pre_hook(self._inject, with_kwargs=True)
            for block in self._blocks:
                self._divert(block, self._hand_on)
            self._blocks[-1].register_forward_hook(self._leave)
        else:
            self._divert(self._base, self._outcome)
            self._base.register_forward_hook(self._leave)

    def _divert(self, module: torch.nn.Module, instead: Callable[..., Any]) -> None:
        """Has `module` call `instead(module, *args, **kwargs)` when activations are given."""
        forward = module.forward

        def either(*args: Any, **kwargs: Any) -> Any:
            return instead(module, *args, **kwargs) if self._given else forward(*args, **kwargs)

        module.forward = either

    def _take_given(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self._given = {name.removeprefix(_GIVEN): value for name, value in kwargs.items() if name.startswith(_GIVEN)}
        return args, {name: value for name, value in kwargs.items() if not name.startswith(_GIVEN)}

    def _leave(self, module: torch.nn.Module, args: Any, output: Any) -> None:
        if self._stopping:
            raise _Reached(self._tensors(output), type(output).__name__)

    def _tensors(self, output: Any) -> dict[str, torch.Tensor]:
        if not self._blocks:
            return {name: value for name, value in output.items() if isinstance(value, torch.Tensor)}
        return {"hidden": output[0] if isinstance(output, tuple) else output}

    def _inject(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        """Puts the given activations in the place of the embeddings."""
        return ((self._given["hidden"], *args[1:]), kwargs) if self._given else None

    @staticmethod
    def _hand_on(block: Any, hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """What a block returns when it leaves the hidden states as they are."""
        attention = getattr(block.layer[0], "SelfAttention", None) if hasattr(block, "layer") else None
        if attention is None:
            return hidden
        # T5's first block computes the position bias of all (T5Stack.forward hands it on as the second argument).
        bias = args[1] if args[1] is not None else attention.compute_bias(*hidden.shape[1:2] * 2, device=hidden.device)
        return hidden, bias, None

    def _outcome(self, base: Any, *args: Any, **kwargs: Any) -> Any:
        """The backbone's output, made of the given activations; fields that no head reads are one zero a row."""
        from transformers import modeling_outputs

        first = next(iter(self._given.values()))
        unread = first.new_zeros(1).expand(len(first))
        kind, names = self.output
        return getattr(modeling_outputs, kind)(**{name: self._given.get(name, unread) for name in names})

    def compute(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What the frozen part gives for a batch, by name: [batch, length, width], or [batch, ...] of a backbone.

        Raises:
            NotSkippable: the model does not come by where the frozen part should end.
        """
        self._stopping = True
        try:
            self._model(**inputs)
        except _Reached as reached:
            self.output = (reached.kind, list(reached.found))
            return reached.found
        finally:
            self._stopping = False
        raise NotSkippable("its layers are not run one after the other")

    def arguments(self, found: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Activations as keyword arguments of the model, beside its inputs."""
        return {_GIVEN + name: value for name, value in found.items()}
