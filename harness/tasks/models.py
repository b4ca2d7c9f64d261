"""A checkpoint with a head for the task at hand, through transformers' auto classes; and errors instead of noise."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.checkpoints import resolve
from harness.errors import CheckpointError
from harness.spec.trial import TrialModel

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = ["build", "load_saved", "model_config", "quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, transformers prints neither progress bars nor its table of newly drawn head weights."""
    import transformers

    logging: Any = transformers.utils.logging
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


def model_config(model: TrialModel, **defaults: Any) -> PreTrainedConfig:
    """The transformers configuration of a trial's checkpoint, cut to `layers` and with its dropout.

    Args:
        model: the trial's model section.
        defaults: for `scratch`: values that the study's architecture does not give.

    Raises:
        CheckpointError: it cannot be read, or has fewer layers than asked for.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    try:
        with quiet():
            if model.checkpoint == "scratch":
                found = AutoConfig.for_model(**(defaults | dict(model.architecture or {})))
            else:
                found = AutoConfig.from_pretrained(resolve(model.checkpoint).folder)
    except (ValueError, TypeError, KeyError, OSError, StrictDataclassError) as error:
        where = "model.architecture" if model.checkpoint == "scratch" else f"model.checkpoint: '{model.checkpoint}'"
        raise CheckpointError(f"{where}: {_first_line(error)}") from error
    if model.layers is not None:
        _keep_layers(found, model.layers, model.checkpoint)
    if model.dropout is not None:
        _set_dropout(found, model.dropout)
    return found


def _keep_layers(config: PreTrainedConfig, layers: int, name: str) -> None:
    """Loading a checkpoint into a shallower configuration takes its first layers and leaves the rest."""
    keys = [key for key in ("num_hidden_layers", "num_decoder_layers", "decoder_layers") if hasattr(config, key)]
    if not keys:
        raise CheckpointError(f"model.layers: a {config.model_type} model ('{name}') cannot be cut; use layers: null")
    for key in keys:
        if layers > getattr(config, key):
            raise CheckpointError(f"model.layers: {layers} layers asked for, '{name}' has {getattr(config, key)}")
        setattr(config, key, layers)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def _set_dropout(config: PreTrainedConfig, dropout: float) -> None:
    for key, value in config.to_dict().items():
        if "drop" in key and "layerdrop" not in key and "path" not in key and isinstance(value, (int, float)):
            setattr(config, key, dropout)


def build(auto: str, model: TrialModel, config: PreTrainedConfig) -> PreTrainedModel:
    """The checkpoint (or, for `scratch`, new weights) under a new head; fp32, on the CPU.

    Args:
        auto: the transformers auto class.
        model: the trial's model section.
        config: from `model_config`, with what it says of the head.

    Raises:
        CheckpointError: the weights do not fit the configuration, or the model type has no such head.
    """
    import torch
    import transformers

    loader = getattr(transformers, auto)
    try:
        with quiet():
            if model.checkpoint == "scratch":
                built: PreTrainedModel = loader.from_config(config, dtype=torch.float32)
                return built
            built, info = loader.from_pretrained(
                resolve(model.checkpoint).folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except (ValueError, RuntimeError, OSError, KeyError, TypeError) as error:
        raise CheckpointError(f"model.checkpoint: '{model.checkpoint}': {_first_line(error)}") from error
    _refuse_misfit(model.checkpoint, built, info)
    return built


def _refuse_misfit(name: str, model: PreTrainedModel, info: dict[str, Any]) -> None:
    """A checkpoint may lack a head and a pooler, or bring another head; it may not lack or bend the backbone."""
    backbone = {f"{model.base_model_prefix}.{key}" for key in model.base_model.state_dict()}
    missing = {key for key in info["missing_keys"] if "pooler" not in key}
    lost = backbone & (missing | {entry[0] for entry in info["mismatched_keys"]})
    if lost:
        raise CheckpointError(
            f"model.checkpoint: '{name}': {len(lost)} of {len(backbone)} backbone tensors are missing from its weights "
            f"or have another shape (such as {min(lost)}); config.json and model.safetensors do not belong together"
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{lines[0][:300]}" if lines else type(error).__name__


def load_saved(folder: Path, auto: str) -> PreTrainedModel:
    """The model of a folder, through the transformers auto class of that name, fp32; a scaled head is scaled again."""
    import torch
    import transformers

    from harness.tasks.heads import unfold

    transformers.utils.logging.disable_progress_bar()
    model: PreTrainedModel = getattr(transformers, auto).from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True
    )
    unfold(model)
    return model
