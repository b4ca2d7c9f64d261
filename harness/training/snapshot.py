"""A trainer on disk: everything that resuming it needs, as safetensors and JSON.

The caller commits the folder by renaming it.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from harness.training.device import RandomState
from harness.training.loop import Trainer

__all__ = ["Best", "read_snapshot", "write_snapshot"]

#: The best weights so far (`FlatWeights.copy`), with the decay of unused embeddings at that step.
Best = tuple[dict[str, torch.Tensor], float]


def write_snapshot(trainer: Trainer, random: RandomState, best: Best | None, folder: Path) -> None:
    """Writes weights, optimiser, random state, best weights and position into `folder`, which must exist."""
    tensors = {f"weights.{name}": tensor for name, tensor in trainer.weights.copy().items()}
    for index, state in trainer.optimiser.inner.state_dict()["state"].items():
        tensors.update({f"optimiser.{index}.{name}": tensor for name, tensor in state.items()})
    tensors.update({f"random.{name}": tensor for name, tensor in random.state.items()})
    tensors.update({f"best.{name}": tensor for name, tensor in (best[0] if best else {}).items()})
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / "state.safetensors"
    )
    position = {
        "step": trainer.step,
        "micro_batch_size": trainer.micro_batch_size,
        "decay": trainer.optimiser.decay,
        "best_decay": best[1] if best else 1.0,
        "scaler": trainer.optimiser.scaler.state_dict(),
    }
    (folder / "state.json").write_text(json.dumps(position), encoding="utf-8")


def read_snapshot(trainer: Trainer, random: RandomState, folder: Path) -> Best | None:
    """Restores a new trainer from a snapshot; returns the best weights, or None when the current ones are the best."""
    tensors = load_file(folder / "state.safetensors")
    parts: dict[str, dict[str, torch.Tensor]] = {"weights": {}, "optimiser": {}, "random": {}, "best": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    trainer.weights.load(parts["weights"])
    states: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in parts["optimiser"].items():
        index, _, key = name.partition(".")
        states.setdefault(int(index), {})[key] = tensor
    groups = trainer.optimiser.inner.state_dict()["param_groups"]
    trainer.optimiser.inner.load_state_dict({"state": states, "param_groups": groups})
    random.state = parts["random"]
    position = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    trainer.step, trainer.micro_batch_size = position["step"], position["micro_batch_size"]
    trainer.optimiser.decay = position["decay"]
    trainer.optimiser.scaler.load_state_dict(position["scaler"])
    best = {name: tensor.to(trainer.device) for name, tensor in parts["best"].items()}
    return (best, position["best_decay"]) if best else None
