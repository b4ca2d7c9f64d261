"""Loads a checkpoint with a task's head through transformers' auto classes, and reports what does not fit as errors."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.checkpoints import resolve
from harness.data.checkpoints.folder import refuse_unknown_type
from harness.errors import CheckpointError
from harness.runtime import IMPORTING
from harness.spec.trial import TrialModel
from harness.tasks.pictures.grey import GREY, narrow

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

__all__ = [
    "build",
    "config_error",
    "lacking",
    "load_saved",
    "mark_lacking",
    "model_config",
    "new_parameters",
    "quiet",
    "saved_config",
]

#: The attribute of a built model that holds the names of what its checkpoint lacked.
_NEW = "_not_in_checkpoint"
#: Words in the names of backbone tensors that a checkpoint may lack.
_ADDED = ("pooler", "crossattention")
#: Words in the names of those parts of detectors' heads that transformers has within the backbone.
_HEADS = ("class_embed", "score_head")
#: Words in the names of settings that have a value for each layer (layer_types, attention_window).
_BY_LAYER = ("layer", "attention", "attn", "block")


@contextmanager
def quiet() -> Iterator[None]:
    """Lets this thread alone load with transformers within the block, which prints no bars, tables and warnings.

    Loading imports modules, and changes settings that all threads share.
    """
    with IMPORTING:
        import transformers

        import harness.tasks.fields.architecture  # noqa: F401 - a model type of the auto classes from then on

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
    """Returns the transformers configuration of a trial's checkpoint, cut to `layers` and with the trial's dropout.

    Args:
        model: the trial's model section.
        defaults: for `scratch`: values that the study's architecture does not give.

    Raises:
        CheckpointError: it cannot be read, or has fewer layers than `layers`.
    """
    with quiet():
        from huggingface_hub.errors import StrictDataclassError
        from transformers import AutoConfig

        try:
            if model.checkpoint == "scratch":
                architecture = dict(model.architecture or {})
                refuse_unknown_type("model.architecture", str(architecture.get("model_type")))
                config = AutoConfig.for_model(**(defaults | architecture))
            else:
                config = saved_config(resolve(model.checkpoint).folder)
                _forget(config, GREY)  # the widened model is trained as it is
        except (ValueError, TypeError, KeyError, OSError, StrictDataclassError) as error:
            where = "model.architecture" if model.checkpoint == "scratch" else f"model.checkpoint: '{model.checkpoint}'"
            if model.checkpoint != "scratch":
                raise config_error(where, error) from error
            raise CheckpointError(f"{where}: {_first_line(error)}") from error
    if model.layers is not None:
        _keep_layers(config, model.layers, model.checkpoint)
    if model.dropout is not None:
        _set_dropout(config, model.dropout)
    return config


def config_error(where: str, error: Exception) -> CheckpointError:
    """Returns the error for a config.json that transformers does not take; it stays as it is where it is one."""
    if isinstance(error, CheckpointError):
        return error
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return CheckpointError(
        f"{where}: transformers does not take its config.json ({reason}); correct the value, or copy the file again"
    )


def saved_config(folder: Path) -> PreTrainedConfig:
    """Returns the configuration of a folder, without the names of Python code that it may hold."""
    with quiet():
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    _forget(config, "auto_map")
    return config


def _forget(config: PreTrainedConfig, key: str) -> None:
    if hasattr(config, key):
        delattr(config, key)


def _keep_layers(config: PreTrainedConfig, layers: int, name: str) -> None:
    """Cuts the configuration to `layers`: a checkpoint loaded into it keeps its first layers."""
    keys = [key for key in ("num_hidden_layers", "num_decoder_layers", "decoder_layers") if hasattr(config, key)]
    if not keys:
        raise CheckpointError(f"model.layers: a {config.model_type} model ('{name}') cannot be cut; use layers: null")
    whole = getattr(config, keys[0])
    for key in keys:
        if layers > getattr(config, key):
            raise CheckpointError(f"model.layers: {layers} layers asked for, '{name}' has {getattr(config, key)}")
        setattr(config, key, layers)
    for key, value in config.to_dict().items():
        is_by_layer = any(word in key for word in _BY_LAYER)
        if is_by_layer and isinstance(value, (list, tuple)) and len(value) == whole:
            setattr(config, key, value[:layers])


def _set_dropout(config: PreTrainedConfig, dropout: float) -> None:
    for key, value in config.to_dict().items():
        if "drop" in key and "layerdrop" not in key and "path" not in key and isinstance(value, (int, float)):
            setattr(config, key, dropout)


def build(auto: str, model: TrialModel, config: PreTrainedConfig) -> PreTrainedModel:
    """Returns the checkpoint (or, for `scratch`, new weights) under a new head; fp32, on the CPU.

    Args:
        auto: the transformers auto class.
        model: the trial's model section.
        config: from `model_config`, with the settings of the head.

    Raises:
        CheckpointError: the weights do not fit the configuration, or the model type has no such head.
    """
    try:
        with quiet():
            import torch
            import transformers

            loader = getattr(transformers, auto)
            if model.checkpoint == "scratch":
                built: PreTrainedModel = loader.from_config(config, dtype=torch.float32, trust_remote_code=False)
                return built
            built, info = loader.from_pretrained(
                resolve(model.checkpoint).folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                trust_remote_code=False,
            )
    except (ValueError, RuntimeError, OSError, KeyError, TypeError) as error:
        if "Unrecognized configuration class" in str(error):
            raise CheckpointError(
                f"model.checkpoint: '{model.checkpoint}': its model type '{config.model_type}' (config.json) has no "
                f"{auto} in transformers, which this task trains; choose a checkpoint of a type that has one"
            ) from error
        raise CheckpointError(f"model.checkpoint: '{model.checkpoint}': {_first_line(error)}") from error
    _refuse_misfit(model.checkpoint, built, info)
    mark_lacking(built, info["missing_keys"] | {name for name, *_ in info["mismatched_keys"]})
    return built


def mark_lacking(model: PreTrainedModel, names: Collection[str]) -> None:
    """Notes which tensors of a model its checkpoint did not have, or not so large."""
    setattr(model, _NEW, set(names))


def lacking(model: PreTrainedModel) -> set[str]:
    """Returns the names of the parameters that the checkpoint of a built model did not have, or not so large."""
    return {name for name, _ in model.named_parameters()} & getattr(model, _NEW, set())


def new_parameters(model: PreTrainedModel) -> set[str]:
    """Returns the names of the parameters outside of the backbone that the checkpoint did not have, or not so large.

    Each trial draws them again. Of a model that was built in another way these are all outside of its backbone. An
    encoder-decoder without a backbone of its own has those that its checkpoint lacked, wherever they are.
    """
    if model.base_model is model:
        return lacking(model)
    backbone = {id(parameter) for parameter in model.base_model.parameters()}
    names = {name for name, parameter in model.named_parameters() if id(parameter) not in backbone}
    inside = {name for name in lacking(model) if _is_of_head(name)}
    return inside | names & getattr(model, _NEW, names)


def _is_of_head(name: str) -> bool:
    return any(part in name for part in _HEADS)


def _refuse_misfit(name: str, model: PreTrainedModel, info: dict[str, Any]) -> None:
    """Raises CheckpointError where tensors of the backbone are missing or have another shape.

    A checkpoint may lack a head and a pooler, or have another head. An encoder lacks what makes it a decoder.
    """
    backbone = {f"{model.base_model_prefix}.{key}" for key in model.base_model.state_dict()}
    missing = {key for key in info["missing_keys"] if not any(part in key for part in _ADDED)}
    lost = backbone & (missing | {entry[0] for entry in info["mismatched_keys"]})
    lost = {name for name in lost if not _is_of_head(name)}
    if lost:
        raise CheckpointError(
            f"model.checkpoint: '{name}': {len(lost)} of {len(backbone)} backbone tensors are missing from its weights "
            f"or have another shape (such as {min(lost)}); config.json and model.safetensors do not belong together"
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{lines[0][:300]}" if lines else type(error).__name__


def load_saved(folder: Path, auto: str) -> PreTrainedModel:
    """Returns the fp32 model of a folder, loaded by the auto class `auto`; what was changed for saving is restored."""
    with quiet():
        import torch
        import transformers

        from harness.tasks.completions.writing import spare
        from harness.tasks.heads import unfold

        loader = getattr(transformers, auto)
        model: PreTrainedModel = loader.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    unfold(model)
    narrow(model)
    if model.can_generate():
        spare(model)
    return model
