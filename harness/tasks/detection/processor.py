"""How a checkpoint wants its pictures: their size and scale, and the file that says so to plain transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

__all__ = ["described", "stats_of"]

#: Height and width where neither study nor checkpoint says them.
_SIZE = 480


def stats_of(settings: PreTrainedConfig, processor: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `size` [height, width], `mean` and `std` by channel, Pillow's number of the filter, and `num_classes`.

    A size that keeps the shape of each picture, as DETR's processor has, becomes a square of its shorter side.
    """
    size = processor.get("size") or getattr(settings, "image_size", None) or _SIZE
    if isinstance(size, Mapping):
        side = size.get("shortest_edge") or size.get("max_height") or _SIZE
        size = [size.get("height") or side, size.get("width") or side]
    height, width = (size, size) if isinstance(size, int) else size
    is_scaled = processor.get("do_normalize", True)
    mean, std = (processor.get(key) or [0.5] * 3 for key in ("image_mean", "image_std"))
    return {
        "size": [int(options.get("height") or height), int(options.get("width") or width)],
        "mean": list(mean) if is_scaled else [0.0] * 3,
        "std": list(std) if is_scaled else [1.0] * 3,
        "resample": int(processor.get("resample", 2)),
        "num_classes": int(settings.num_labels),
    }


def described(settings: PreTrainedConfig, stats: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of an image processor that makes what `stats` say, as transformers reads them.

    Raises:
        CheckpointError: transformers has no image processor for the model type.
    """
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    classes: Any = IMAGE_PROCESSOR_MAPPING_NAMES.get(settings.model_type, {})
    name = classes.get("torchvision") or classes.get("pil") if isinstance(classes, Mapping) else None
    if not name:
        kind = settings.model_type
        raise CheckpointError(f"model.checkpoint: transformers has no image processor for a {kind} model; use another")
    height, width = stats["size"]
    return {
        "image_processor_type": name,
        "do_resize": True,
        "size": {"height": height, "width": width},
        "resample": stats["resample"],
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": stats["mean"],
        "image_std": stats["std"],
        "do_pad": False,
        "do_convert_annotations": True,
    }
