"""The model of a trial: a warm copy of the checkpoint, a seeded head, frozen layers; and how it is written.

Knows nothing of the training loop. Base weights are read once a process and copied in memory after that.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import torch
from harness.tasks.freeze import freeze_parameters

from harness.data.prepared import PreparedData
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.training.host import Host

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["fresh_model", "head_modules", "load_parameters", "parameter_copy"]


def fresh_model(config: TrialConfig, data: PreparedData, host: Host, device: torch.device) -> PreTrainedModel:
    """The checkpoint on `device` with a head drawn from the current random state, and the asked layers frozen.

    The first trial of a checkpoint in a process reads its weights; the others copy them from memory.
    """
    key = "model:" + json.dumps([str(data.folder), config.task, config.model.model_dump(mode="json")], sort_keys=True)
    template: PreTrainedModel | None = host.cache.get(key)
    if template is None:
        # What a checkpoint lacks (a pooler, say) is drawn the same for every trial; the head is drawn again below.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            template = task_of(config.task).build_model(config, data).to(device)
        host.cache[key] = template
    model = copy.deepcopy(template)
    fresh = model.modules() if config.model.checkpoint == "scratch" else head_modules(model)
    for module in fresh:
        for parameter in module.parameters(recurse=False):
            parameter._is_hf_initialized = False  # type: ignore[attr-defined]
        with torch.no_grad():
            model._init_weights(module)
    freeze_parameters(model, config.model.freeze)
    return model


def head_modules(model: PreTrainedModel) -> list[torch.nn.Module]:
    """Every module outside the pretrained backbone."""
    backbone = set(model.base_model.modules())
    return [module for module in model.modules() if module not in backbone and module is not model]


def parameter_copy(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of all trainable parameters and of the buffers that training changes, by name."""
    state = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    state.update({name: buffer for name, buffer in model.named_buffers() if name in model.state_dict()})
    return {name: tensor.detach().clone() for name, tensor in state.items()}


@torch.no_grad()
def load_parameters(model: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Copies `state` (from `parameter_copy`) into the model in place."""
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    for name, tensor in state.items():
        own[name].copy_(tensor)
