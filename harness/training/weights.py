"""The trainable weights of a model as two flat fp32 tensors, with low-precision copies that the model computes with.

One flat tensor each for decayed and undecayed weights makes clipping, the update, copying and snapshots one operation
instead of a hundred. In fp32 the model's own parameters are views of them; in bf16 and fp16 they are views of a
low-precision copy that is refreshed after every optimiser step, so that small updates are never lost (fp32 master
weights: Micikevicius et al. 2018, section 3.1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from harness.errors import look_up

__all__ = ["DTYPES", "FlatWeights", "cast_model", "copies_bytes", "dtype_of"]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def dtype_of(precision: str) -> torch.dtype:
    """Returns the type that a model computes in.

    Raises:
        InputError: there is no such precision.
    """
    return look_up(DTYPES, precision, "training.precision")


def cast_model(model: torch.nn.Module, dtype: torch.dtype) -> None:
    """Casts floating-point parameters in place; batch norms, whose statistics need it, and buffers stay fp32.

    So do the modules that transformers keeps in fp32 for a model: T5's feed-forward outputs are too large for fp16.
    """
    names = set(getattr(model, "_keep_in_fp32_modules_strict", None) or ())
    if dtype == torch.float16:
        names |= set(getattr(model, "_keep_in_fp32_modules", None) or ())
    for name, module in model.named_modules():
        if not isinstance(module, _BatchNorm) and names.isdisjoint(name.split(".")):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)


def copies_bytes(model: torch.nn.Module) -> int:
    """Returns the bytes of parameters in less than fp32, which a model under training has as copies of its own.

    Those in fp32 are views of the masters or, where they are not trained, of the checkpoint that all trials share.
    """
    copies = (parameter for parameter in model.parameters() if parameter.dtype != torch.float32)
    return sum(parameter.numel() * parameter.element_size() for parameter in copies)


class FlatWeights:
    """Takes over the trainable parameters of `model`, which computes in `dtype` from now on.

    `groups` are its parameters and `masters`, one a group, their fp32 values for an optimiser: the first is decayed,
    the second (biases and norms: whatever has one dimension) is not; an empty group is left out. `gather` fills the
    masters' gradients; they are not needed between steps, so all `FlatWeights` with the same `cache` share one memory
    for them. With the `depths` of its parameters, by id, each depth has groups of its own; without, all are 0.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        dtype: torch.dtype,
        cache: dict[str, Any] | None = None,
        depths: Mapping[int, int] | None = None,
    ) -> None:
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        split: defaultdict[tuple[bool, int], list[torch.nn.Parameter]] = defaultdict(list)
        for parameter in trainable:
            split[parameter.ndim <= 1, (depths or {}).get(id(parameter), 0)].append(parameter)
        self.groups = [split[key] for key in sorted(split)]
        self.depths = [depth for _, depth in sorted(split)]
        self.decayed = [group[0].ndim > 1 for group in self.groups]
        self.masters = [torch.nn.Parameter(torch.cat([p.detach().float().flatten() for p in g])) for g in self.groups]
        self._frozen = {id(p): p.detach().float() for p in model.parameters() if not p.requires_grad}
        cast_model(model, dtype)
        self._copies: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._gradients: list[list[torch.Tensor]] = []
        gradients = _views(_shared_memory(self.masters, {} if cache is None else cache), self.masters)
        for master, gradient, group in zip(self.masters, gradients, self.groups, strict=True):
            master.grad = gradient
            self._gradients.append(_views(gradient, group))
            self._attach(master.detach(), group)
        buffers = dict(model.named_buffers())
        self._buffers = {name: buffers[name] for name in model.state_dict() if name in buffers}

    def _attach(self, master: torch.Tensor, group: list[torch.nn.Parameter]) -> None:
        """Makes each parameter a view of the master, or of a copy in its own precision."""
        copies: dict[torch.dtype, torch.Tensor] = {torch.float32: master}
        for dtype in {parameter.dtype for parameter in group} - {torch.float32}:
            copies[dtype] = master.to(dtype)
            self._copies.append((copies[dtype], master))
        views = {dtype: _views(copy, group) for dtype, copy in copies.items()}
        for at, parameter in enumerate(group):
            parameter.data = views[parameter.dtype][at]

    def gather(self, *, accumulate: bool) -> None:
        """Moves the model's gradients into the masters' (adds them with `accumulate`); a missing one counts as 0."""
        for group, views in zip(self.groups, self._gradients, strict=True):
            pairs = [(view, parameter.grad) for view, parameter in zip(views, group, strict=True)]
            targets = [view for view, gradient in pairs if gradient is not None]
            sources = [gradient for _, gradient in pairs if gradient is not None]
            if accumulate:
                for target, source in zip(targets, sources, strict=True):
                    target.add_(source)
            else:
                if targets:
                    torch._foreach_copy_(targets, sources)
                for view, gradient in pairs:
                    if gradient is None:
                        view.zero_()
            for parameter in group:
                parameter.grad = None

    def shaped(self) -> list[list[torch.nn.Parameter]]:
        """Returns each master as parameters in the shapes of the model's, which share its values and its gradient."""
        shaped = []
        for master, gradients, group in zip(self.masters, self._gradients, self.groups, strict=True):
            parameters = [torch.nn.Parameter(view) for view in _views(master.detach(), group)]
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            shaped.append(parameters)
        return shaped

    def forget_gradients(self) -> None:
        """Frees the model's gradients, also those that a failed backward pass left."""
        for group in self.groups:
            for parameter in group:
                parameter.grad = None

    @torch.no_grad()
    def refresh(self) -> None:
        """Brings the low-precision copies up to date with the masters."""
        for copy, master in self._copies:
            copy.copy_(master)

    def copy(self) -> dict[str, torch.Tensor]:
        """Returns a copy of all that training changes: masters and buffers, by name."""
        state: dict[str, torch.Tensor] = {f"master.{at}": master for at, master in enumerate(self.masters)}
        state |= {f"buffer.{name}": buffer for name, buffer in self._buffers.items()}
        return {name: tensor.detach().clone() for name, tensor in state.items()}

    @torch.no_grad()
    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Restores the weights and buffers from a `copy`."""
        for at, master in enumerate(self.masters):
            master.copy_(state[f"master.{at}"])
        for name, buffer in self._buffers.items():
            buffer.copy_(state[f"buffer.{name}"])
        self.refresh()

    def full_precision(self) -> dict[int, torch.Tensor]:
        """Returns the fp32 values of all parameters, frozen ones too, by `id(parameter)`."""
        values: dict[int, torch.Tensor] = dict(self._frozen)
        for master, group in zip(self.masters, self.groups, strict=True):
            for parameter, view in zip(group, _views(master.detach(), group), strict=True):
                values[id(parameter)] = view
        return values


def _shared_memory(masters: list[torch.nn.Parameter], cache: dict[str, Any]) -> torch.Tensor:
    """Returns a flat tensor for the gradients of all masters, the one in `cache` if that is large enough."""
    size = sum(master.numel() for master in masters)
    device = masters[0].device if masters else torch.device("cpu")
    key = f"gradients:{device}"
    if key not in cache or cache[key].numel() < size:
        cache[key] = torch.zeros(size, device=device)
    memory: torch.Tensor = cache[key]
    return memory


def _views(flat: torch.Tensor, like: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    views, start = [], 0
    for tensor in like:
        views.append(flat[start : start + tensor.numel()].view(tensor.shape))
        start += tensor.numel()
    return views
