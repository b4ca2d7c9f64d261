"""A trainer on disk: everything that going on elsewhere needs, as safetensors and JSON.

Knows nothing of trials; the caller commits the folder by renaming it.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from harness.training.device import RandomState
from harness.training.loop import Trainer
from harness.training.model import load_parameters, parameter_copy

__all__ = ["read_snapshot", "write_snapshot"]


def write_snapshot(trainer: Trainer, random: RandomState, best: dict[str, torch.Tensor] | None, folder: Path) -> None:
    """Writes weights, optimiser, random state, best weights and position into `folder`, which must exist."""
    tensors = {f"model.{name}": tensor for name, tensor in parameter_copy(trainer.model).items()}
    for index, state in trainer.optimiser.state_dict()["state"].items():
        tensors.update({f"optimiser.{index}.{name}": tensor for name, tensor in state.items()})
    tensors.update({f"random.{name}": tensor for name, tensor in random.state.items()})
    tensors.update({f"best.{name}": tensor for name, tensor in (best or {}).items()})
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / "state.safetensors"
    )
    position = {
        "step": trainer.step,
        "micro_batch_size": trainer.micro_batch_size,
        "scaler": trainer.scaler.state_dict(),
    }
    (folder / "state.json").write_text(json.dumps(position), encoding="utf-8")


def read_snapshot(trainer: Trainer, random: RandomState, folder: Path) -> dict[str, torch.Tensor] | None:
    """Puts a fresh trainer where the snapshot was taken; returns the best weights, or None when they are current."""
    tensors = load_file(folder / "state.safetensors")
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "optimiser": {}, "random": {}, "best": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    load_parameters(trainer.model, parts["model"])
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in parts["optimiser"].items():
        index, _, key = name.partition(".")
        states.setdefault(int(index), {})[key] = tensor
    groups = trainer.optimiser.state_dict()["param_groups"]
    trainer.optimiser.load_state_dict({"state": states, "param_groups": groups})
    random.state = parts["random"]
    position = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    trainer.step, trainer.micro_batch_size = position["step"], position["micro_batch_size"]
    trainer.scaler.load_state_dict(position["scaler"])
    best = {name: tensor.to(trainer.device) for name, tensor in parts["best"].items()}
    return best or None
