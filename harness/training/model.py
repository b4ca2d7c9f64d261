"""The model of a trial: a copy of the checkpoint with a new head and frozen layers, and how it is written.

A process reads the base weights once and copies them in memory after that.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.heads import fold
from harness.tasks.models import new_parameters
from harness.tasks.pictures.grey import widen
from harness.training.host import Host
from harness.training.plain import CutTable
from harness.training.recompute import recompute_blocks
from harness.training.trainable.adapters import add_adapter, merged
from harness.training.trainable.freeze import freeze_parameters
from harness.training.trainable.frozen import without_dropout
from harness.training.trainable.norms import settle_norms
from harness.training.weights import FlatWeights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["fresh_model", "loaded_model", "template_of", "tune_for", "warm_up", "write_model"]

#: The keys of a trial's model that change nothing of the checkpoint as it is read.
NOT_OF_TEMPLATE = (
    "freeze",
    "frozen_dropout",
    "adapter",
    "rank",
    "alpha",
    "adapter_dropout",
    "targets",
    "gradient_checkpointing",
)


#: The options of tasks that change the model itself.
OF_TEMPLATE = ("image_size", "height", "width")


def warm_up() -> None:
    """Imports the modules that every model needs: half of the time that the first model of a process takes."""
    import transformers.activations
    import transformers.modeling_utils
    import transformers.models.auto.modeling_auto
    import transformers.models.auto.tokenization_auto  # noqa: F401


def fresh_model(
    config: TrialConfig,
    data: PreparedData,
    host: Host,
    device: torch.device,
    replacements: Callable[[PreTrainedModel], Mapping[int, torch.nn.Module]] = lambda template: {},
) -> PreTrainedModel:
    """The checkpoint on `device` in fp32, with the trial's layers frozen.

    What the checkpoint lacks, mostly a head, is drawn from the current random state. `replacements` returns modules
    that replace the checkpoint's own, by the `id` of the module that each replaces. The first trial of a checkpoint in
    a process reads its weights; the others copy them from memory.
    """
    template = template_of(config, data, host, device)
    is_new = config.model.checkpoint == "scratch"
    names = {name for name, _ in template.named_parameters()}
    drawn = names if is_new else new_parameters(template)
    kept = {id(parameter) for name, parameter in template.named_parameters() if name not in drawn}
    # Of what is not drawn below only the tensors' heads are copied: `FlatWeights` makes the values its own.
    shared: dict[int, Any] = {
        id(parameter): torch.nn.Parameter(parameter.detach())
        for parameter in template.base_model.parameters()
        if id(parameter) in kept
    }
    shared |= replacements(template)
    model = copy.deepcopy(template, shared)
    _draw(model, drawn)
    freeze_parameters(model, config.model.freeze)
    add_adapter(model, config.model, drawn)
    if config.model.freeze != "none" and not config.model.frozen_dropout:
        without_dropout(model, config.model.freeze)
    settle_norms(model)
    if config.model.gradient_checkpointing:
        recompute_blocks(model)
    return model


def _draw(model: PreTrainedModel, names: Collection[str]) -> None:
    """Draws the parameters `names` from the current random state, as transformers does; others keep their values.

    Some model types give the weights of a part another spread than their layers have by themselves (T5's attention,
    GPT-2's projections): such parts are drawn once more after their layers.
    """
    with torch.no_grad():
        new = {id(parameter) for name, parameter in model.named_parameters() if name in names}
        parts = [part for part in model.modules() if any(id(parameter) in new for parameter in part.parameters())]
        for parameter in model.parameters():
            parameter._is_hf_initialized = id(parameter) not in new
        for part in parts:
            if part is not model:
                model._init_weights(part)
        for part in reversed(parts):
            own = [parameter for parameter in part.parameters(recurse=False) if id(parameter) in new]
            for parameter in own:
                parameter._is_hf_initialized = True
            if next(part.children(), None) is not None:
                model._init_weights(part)
            for parameter in own:
                parameter._is_hf_initialized = False


def template_of(config: TrialConfig, data: PreparedData, host: Host, device: torch.device) -> PreTrainedModel:
    """Returns the checkpoint as read, on `device` in fp32: never trained, and copied by every trial of this process."""
    kind = config.model.model_dump(mode="json", exclude=set(NOT_OF_TEMPLATE))
    options = {name: config.task_options.get(name) for name in OF_TEMPLATE}
    key = "model:" + json.dumps([str(data.folder), config.task, kind, options], sort_keys=True)
    template: PreTrainedModel | None = host.cache.get(key)
    if template is None:
        # Copied, because what was read is mapped from the checkpoint's file, which may change or go.
        host.cache[key] = template = copy.deepcopy(loaded_model(config, data, device)).to(device)
    return template


def loaded_model(config: TrialConfig, data: PreparedData, device: torch.device) -> PreTrainedModel:
    """Returns the checkpoint as read, on the CPU in fp32, with the kernels for `device`."""
    # What a checkpoint lacks (a pooler, say) is drawn the same for every trial; a trial draws its head again.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _built(config, data)
    tune_for(model, device)
    return model


def _built(config: TrialConfig, data: PreparedData) -> PreTrainedModel:
    """Builds the task's model.

    Raises:
        CheckpointError: no model can be built from the checkpoint, or with the architecture of the study.
    """
    try:
        return task_of(config.task).build_model(config, data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise CheckpointError(f"{config.model.checkpoint}: no model can be built: {first[:200]}") from error


def tune_for(model: PreTrainedModel, device: torch.device) -> None:
    """Chooses the kernels that are fastest on `device`, the same in training and after it."""
    # With dropout, torch's fused attention falls back to a slower path than the plain one on a CPU.
    is_plain_faster = not model.can_generate() or _has_attention_dropout(model)
    if device.type == "cpu" and is_plain_faster and model._can_set_attn_implementation():
        model.set_attn_implementation("eager")


def _has_attention_dropout(model: PreTrainedModel) -> bool:
    names = ("attention_dropout", "attn_pdrop", "attention_probs_dropout_prob", "attention_dropout_prob")
    parts = (model.config, *(getattr(model.config, part, None) for part in model.config.sub_configs))
    return any(getattr(part, name, 0.0) for part in parts for name in names)


def write_model(
    model: PreTrainedModel, weights: FlatWeights, compact: CutTable | None, decay: float, folder: Path
) -> None:
    """Writes config.json and model.safetensors in fp32, as plain transformers reads them.

    `decay` is the factor by which the optimiser has shrunk the embeddings of words that do not occur.
    """
    values = weights.full_precision()
    state: dict[str, torch.Tensor] = {}
    for name, parameter in model.named_parameters():
        value = values[id(parameter)]
        if compact is not None and parameter is compact.weight:
            value = compact.full(value, decay)
        state[name] = value.cpu().contiguous()
    state = merged(model, state)
    fold(model, state)
    buffers = dict(model.named_buffers())
    state |= {name: buffers[name].cpu().contiguous() for name in model.state_dict() if name in buffers}
    config = copy.deepcopy(model.config)
    widen(model, state, config)
    config.architectures = [type(model).__name__]
    config.dtype = torch.float32
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
