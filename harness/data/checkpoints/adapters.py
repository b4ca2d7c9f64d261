"""Makes a checkpoint of a LoRA adapter, as PEFT saves it, and of the one that it was trained on, in the cache."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.cache import built_once, default_cache
from harness.data.checkpoints.weights import loaded_files
from harness.errors import CheckpointError
from harness.records.files import sha256_of

if TYPE_CHECKING:
    import torch

__all__ = ["ADAPTER_CONFIG", "ADAPTER_WEIGHTS", "LORA_A", "LORA_B", "PREFIX", "merged_checkpoint", "read_as_named"]

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
#: How PEFT begins the names of tensors, and ends those of an adapter's matrices.
PREFIX, LORA_A, LORA_B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
#: Raised when the same files would be merged differently.
VERSION = 1
#: Keys of an adapter's configuration that change what it computes, with the values that are read.
_READ: Mapping[str, Collection[Any]] = {
    "peft_type": ("LORA",),
    "use_dora": (False, None),
    "bias": ("none", None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
}


def merged_checkpoint(where: str, folder: Path, base_of: Callable[[str], Path], files: Collection[str]) -> Path:
    """Returns the folder of the checkpoint that an adapter makes of its base, in fp32.

    Args:
        where: the beginning of an error's message, which names the adapter as the user did.
        folder: it holds adapter_config.json.
        base_of: returns the folder of the checkpoint with a name.
        files: patterns of the small files that a checkpoint has beside its weights; the adapter's own come first.

    Raises:
        CheckpointError: it is not a LoRA adapter that is read, or does not fit the checkpoint that it names.
    """
    settings = _settings(where, folder)
    base = base_of(str(settings["base_model_name_or_path"]))
    parts = [VERSION, sha256_of(folder / ADAPTER_CONFIG), sha256_of(folder / ADAPTER_WEIGHTS), str(base)]
    name = f"adapter-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}"
    target = default_cache() / "checkpoints" / name
    return built_once(target, lambda staging: _build(where, folder, base, settings, files, staging))


def _settings(where: str, folder: Path) -> dict[str, Any]:
    try:
        settings = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("no dictionary")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{where}: {ADAPTER_CONFIG} cannot be read ({error})") from None
    for key, read in _READ.items():
        if settings.get(key, next(iter(read))) not in read:
            raise CheckpointError(
                f"{where} holds an adapter with {key}: {settings[key]}, which is not read; merge it first (peft: "
                "merge_and_unload, then save_pretrained) and give that folder"
            )
    if not settings.get("base_model_name_or_path"):
        raise CheckpointError(f"{where}: {ADAPTER_CONFIG} does not name the model that the adapter was trained on")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise CheckpointError(f"{where} has no {ADAPTER_WEIGHTS}; copy it too")
    return settings


def _build(
    where: str, folder: Path, base: Path, settings: Mapping[str, Any], files: Collection[str], target: Path
) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    try:
        tensors = {name.removeprefix(PREFIX): value for name, value in load_file(folder / ADAPTER_WEIGHTS).items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{where}: {ADAPTER_WEIGHTS} cannot be read ({error})") from None
    layers = [name.removesuffix(LORA_A) for name in tensors if name.endswith(LORA_A)]
    weights = read_as_named(where, base, [f"{layer}.weight" for layer in layers])
    for layer in layers:
        name, a, b = f"{layer}.weight", tensors[layer + LORA_A].float(), tensors.get(layer + LORA_B)
        scale = float(settings["lora_alpha"]) / (len(a) ** 0.5 if settings.get("use_rslora") else len(a))
        product = None if b is None else scale * (b.float() @ a)
        product = product.T if product is not None and settings.get("fan_in_fan_out") else product
        if name not in weights or product is None or weights[name].shape != product.shape:
            raise CheckpointError(
                f"{where}: the adapter does not fit {base}, which has no layer '{layer}' of its shape"
            )
        weights[name] = weights[name] + product
    weights |= {name: value.float() for name, value in tensors.items() if ".lora_" not in name}
    target.mkdir(mode=0o700)
    for source in (base, folder):
        for path in sorted({path for pattern in files for path in source.glob(pattern)}):
            if path.name != ADAPTER_CONFIG:
                shutil.copyfile(path, target / path.name)
    save_file(
        {name: value.contiguous() for name, value in weights.items()}, target / "model.safetensors", {"format": "pt"}
    )


def read_as_named(where: str, base: Path, names: Collection[str]) -> dict[str, torch.Tensor]:
    """Returns the fp32 weights of a checkpoint by the names that a model with a head gives them.

    A file may hold a backbone alone, whose names lack the part in front that `names`, some of the model's, have.
    """
    from safetensors.torch import load_file

    weights = {name: value.float() for file in loaded_files(where, base) for name, value in load_file(file).items()}
    first = next(iter(names), "")
    front, _, rest = first.partition(".")
    if first in weights or rest not in weights:
        return weights
    return {f"{front}.{name}": value for name, value in weights.items()}
