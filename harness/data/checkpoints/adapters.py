"""Makes a checkpoint of a LoRA adapter, as PEFT saves it, and of the one that it was trained on, in the cache."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.cache import built_once, default_cache
from harness.data.checkpoints.weights import loaded_files
from harness.errors import CheckpointError

if TYPE_CHECKING:
    import torch

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_WEIGHTS",
    "BASE",
    "LORA_A",
    "LORA_B",
    "PREFIX",
    "adapter_settings",
    "merged_checkpoint",
    "read_as_named",
]

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
#: How PEFT begins the names of tensors, and ends those of an adapter's matrices.
PREFIX, LORA_A, LORA_B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
#: The key of an adapter's configuration that names its checkpoint.
BASE = "base_model_name_or_path"
#: Raised when the same files would be merged differently.
VERSION = 1
#: Keys of an adapter's configuration that change what it computes, with the values that are read.
_READ: Mapping[str, Sequence[Any]] = {
    "peft_type": ("LORA",),
    "use_dora": (False, None),
    "bias": ("none", None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
}


def adapter_settings(where: str, folder: Path) -> dict[str, Any]:
    """Returns the configuration of the LoRA adapter in a folder; it names the checkpoint that it was trained on.

    Args:
        where: the beginning of an error's message, which names the adapter as the user did.
        folder: it holds adapter_config.json.

    Raises:
        CheckpointError: it is not a LoRA adapter that is read.
    """
    try:
        settings = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("no dictionary")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{where}: {ADAPTER_CONFIG} cannot be read ({error})") from None
    for key, read in _READ.items():
        if settings.get(key, read[0]) not in read:
            raise CheckpointError(
                f"{where} holds an adapter with {key}: {settings[key]}, which is not read; merge it first (peft: "
                "merge_and_unload, then save_pretrained) and give that folder"
            )
    if not isinstance(settings.get(BASE), str) or not settings[BASE]:
        raise CheckpointError(f"{where}: {ADAPTER_CONFIG} does not name the model that the adapter was trained on")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise CheckpointError(f"{where} has no {ADAPTER_WEIGHTS}; copy it too")
    if not isinstance(settings.get("lora_alpha"), (int, float)):
        raise CheckpointError(f"{where}: {ADAPTER_CONFIG} has no number lora_alpha, by which the adapter is scaled")
    return settings


def merged_checkpoint(
    where: str, folder: Path, settings: Mapping[str, Any], base: Path, files: Collection[str], sha256: str
) -> Path:
    """Returns the folder of the checkpoint that an adapter makes of its base, in fp32.

    Args:
        where: the beginning of an error's message, which names the adapter as the user did.
        folder: it holds the adapter with these `settings`.
        settings: from `adapter_settings`.
        base: the folder of the checkpoint that they name.
        files: patterns of the small files beside a checkpoint's weights; the adapter's own replace the base's.
        sha256: the hash of the weights of both, which names the folder in the cache.

    Raises:
        CheckpointError: the adapter does not fit the checkpoint.
    """
    parts = json.dumps([VERSION, sha256, settings], sort_keys=True)
    target = default_cache() / "checkpoints" / f"adapter-{hashlib.sha256(parts.encode()).hexdigest()[:32]}"
    return built_once(target, lambda staging: _build(where, folder, base, settings, files, staging))


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
    other = [name for name in tensors if ".lora_" in name and not name.endswith((LORA_A, LORA_B))]
    if other or not all(layer + LORA_B in tensors and len(tensors[layer + LORA_A]) for layer in layers):
        raise CheckpointError(
            f"{where}: {ADAPTER_WEIGHTS} holds {other[0] if other else 'half an adapter'}, which is not read; merge it "
            "first (peft: merge_and_unload, then save_pretrained) and give that folder"
        )
    weights = read_as_named(where, base, [f"{layer}.weight" for layer in layers])
    for layer in layers:
        name, a, b = f"{layer}.weight", tensors[layer + LORA_A].float(), tensors[layer + LORA_B].float()
        scale = float(settings["lora_alpha"]) / (len(a) ** 0.5 if settings.get("use_rslora") else len(a))
        product = scale * (b @ a).T if settings.get("fan_in_fan_out") else scale * (b @ a)
        if name not in weights or weights[name].shape != product.shape:
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
