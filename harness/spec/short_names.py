"""What narrow tables call the keys of a study."""

from __future__ import annotations

__all__ = ["SHORT_NAMES", "long_name"]

#: The short names of keys, by the last part of the key.
SHORT_NAMES = {
    "learning_rate": "lr",
    "batch_size": "batch",
    "warmup_fraction": "warmup",
    "weight_decay": "decay",
    "label_smoothing": "smoothing",
    "accumulation_steps": "accum",
    "class_weights": "weights",
    "max_grad_norm": "clip",
    "max_length": "length",
    "train_rows": "rows",
}


def long_name(key: str) -> str:
    """Returns the last part of the key that a table calls so; any other word as it is: "lr" -> "learning_rate"."""
    return next((name for name, short in SHORT_NAMES.items() if short == key), key)
