"""Refuses a size of pictures that a model does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["check_size"]


def check_size(model: PreTrainedModel, image_size: Any) -> None:
    """Lets a model read one picture of the size that a study asks for; None asks for nothing.

    Raises:
        CheckpointError: the model takes pictures of its own size alone, as most vision transformers do.
    """
    own = getattr(model.config, "image_size", None)
    if image_size in (None, own):
        return
    import torch

    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            model(pixel_values=torch.zeros(1, getattr(model.config, "num_channels", 3), image_size, image_size))
    except (ValueError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"task_options.image_size: this {model.config.model_type} model does not take pictures of {image_size} "
            f"pixels a side ({reason}); use {own}, or null"
        ) from error
    finally:
        model.train(was_training)
