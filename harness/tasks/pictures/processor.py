"""What the file of an image processor says is done to a picture: done here too, or refused.

All that is said of numbers (scale, offset, mean and standard deviation, once or twice) comes down to one mean and one
standard deviation a channel of pixels in 0..1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from harness.data.pictures.fit import Fit
from harness.errors import CheckpointError

__all__ = ["PROCESSOR", "Rules", "read_processor", "rules_of"]

#: The file of an image processor, beside a checkpoint's weights.
PROCESSOR = "preprocessor_config.json"
_DONE = frozenset(
    ["do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_flip_channel_order"]
)
#: From this length on, ConvNeXt's processor keeps all of a picture.
_WHOLE_FROM = 384
_BILINEAR = 2
#: The longest side of what a model reads.
MAX_SIDE = 4096
_SIZE_REMEDY = "set task_options.image_size, so that all pictures get one size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is done to a picture: its size, a mean and a standard deviation a channel, and red and blue exchanged."""

    fit: Fit
    mean: tuple[float, ...]
    std: tuple[float, ...]
    is_flipped: bool = False

    def processor(self) -> dict[str, Any]:
        """Returns the file of a processor of transformers that does the same; three channels.

        MobileViT's is the one that exchanges red and blue; it does not normalise.
        """
        fit = self.fit
        size = fit.resize or 0
        cut = {"crop_size": _sides(fit.crop)} if fit.crop else {}
        return {
            "image_processor_type": "MobileViTImageProcessor" if self.is_flipped else "ViTImageProcessor",
            "do_resize": fit.resize is not None,
            "size": _sides(size) if isinstance(size, tuple) else {"shortest_edge": size},
            "resample": fit.resample,
            "do_center_crop": fit.crop is not None,
            **cut,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": not self.is_flipped,
            "do_flip_channel_order": self.is_flipped,
            "image_mean": list(self.mean) * (3 // len(self.mean)),
            "image_std": list(self.std) * (3 // len(self.std)),
        }


def _sides(size: tuple[int, int]) -> dict[str, int]:
    return {"height": size[0], "width": size[1]}


def read_processor(folder: Path) -> dict[str, Any]:
    """Returns the file of a checkpoint's image processor; {} where it has none.

    Raises:
        CheckpointError: it is no JSON.
    """
    path = folder / PROCESSOR
    try:
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return dict(settings)
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"model.checkpoint: {path} is not JSON ({error})") from error


def rules_of(
    settings: Mapping[str, Any],
    default_size: Sequence[int],
    image_size: int | None,
    channels: int,
    *,
    is_square: bool = False,
) -> Rules:
    """Returns what a processor's file says.

    Args:
        settings: the file; {} where there is none.
        default_size: height and width where it says none.
        image_size: the length of both sides that the study asks for; None: as the file says.
        channels: how many the model reads.
        is_square: the length of a shorter side is that of both, because pictures have one shape already.

    Raises:
        CheckpointError: the file asks for what is not done here.
    """
    unknown = [key for key, value in settings.items() if key.startswith("do_") and value and key not in _DONE]
    if unknown and unknown != ["do_reduce_labels"]:
        raise CheckpointError(f"model.checkpoint: {PROCESSOR}: {unknown[0]} is not done here; {_OTHER}")
    try:
        mean, std = _normalisation(settings, channels)
        fit = _fit(settings, default_size)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"model.checkpoint: {PROCESSOR}: its values cannot be read ({error!r}); {_OTHER}"
        ) from error
    is_flipped = bool(settings.get("do_flip_channel_order"))
    if is_flipped and (any(mean) or any(value != 1 for value in std)):
        raise CheckpointError(
            f"model.checkpoint: {PROCESSOR}: do_flip_channel_order with a mean or a scale is not done here; {_OTHER}"
        )
    if image_size is None and is_square and fit.crop is None and isinstance(fit.resize, int):
        image_size = fit.resize
    if image_size is not None:
        fit = _resized(fit, image_size)
    if fit.crop is None and not isinstance(fit.resize, tuple):
        raise CheckpointError(f"model.checkpoint: {PROCESSOR} gives pictures several sizes; {_SIZE_REMEDY}")
    _check(fit, mean, std, channels)
    return Rules(fit=fit, mean=mean, std=std, is_flipped=is_flipped)


_OTHER = "correct the file, or choose another checkpoint"


def _check(fit: Fit, mean: Sequence[float], std: Sequence[float], channels: int) -> None:
    """Refuses sizes that no memory holds, and scales that make no numbers of pixels."""
    sides = [*(fit.resize if isinstance(fit.resize, tuple) else [fit.resize or 1]), *(fit.crop or ())]
    if not all(1 <= side <= MAX_SIDE for side in sides) or fit.resample not in range(6):
        what = f"a size or a filter is out of range (sizes {', '.join(map(str, sides))}, at most {MAX_SIDE})"
        raise CheckpointError(f"model.checkpoint: {PROCESSOR}: {what}; {_OTHER}")
    if {len(mean), len(std)} != {channels} or not all(map(isfinite, (*mean, *std))) or min(map(abs, std)) == 0:
        what = f"image_mean or image_std is no list of {channels} numbers, or one of them is 0"
        raise CheckpointError(f"model.checkpoint: {PROCESSOR}: {what}; {_OTHER}")


def _fit(settings: Mapping[str, Any], default_size: Sequence[int]) -> Fit:
    crop = _pair(settings.get("crop_size")) if settings.get("do_center_crop") else None
    resample = _BILINEAR if settings.get("resample") is None else int(settings["resample"])
    if settings.get("do_resize") is False:
        return Fit(resize=None, crop=crop)
    size = settings.get("size") or list(default_size)
    if isinstance(size, Mapping) and size.get("height") and size.get("width"):
        return Fit(resize=_pair(size), crop=crop, resample=resample)
    if isinstance(size, Mapping) and (size.get("longest_edge") or not size.get("shortest_edge")):
        return Fit(resize=None)
    if not isinstance(size, Mapping) and (crop is None or not isinstance(size, int)):
        return Fit(resize=_pair(size), crop=crop, resample=resample)
    shortest = size["shortest_edge"] if isinstance(size, Mapping) else size
    if "crop_pct" in settings and crop is None:
        whole = int(shortest) >= _WHOLE_FROM
        side = (int(shortest), int(shortest))
        larger = int(shortest / float(settings["crop_pct"]))
        return Fit(resize=side if whole else larger, crop=None if whole else side, resample=resample)
    return Fit(resize=int(shortest), crop=crop, resample=resample)


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        size = [size["height"], size["width"]] if "height" in size else size["shortest_edge"]
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)


def _resized(fit: Fit, image_size: int) -> Fit:
    """Returns a fit to another size, with the same share of a picture cut off."""
    side = (image_size, image_size)
    if fit.crop is None or fit.resize is None:
        return Fit(resize=side, resample=fit.resample)
    if isinstance(fit.resize, tuple):
        larger = tuple(round(length * image_size / cut) for length, cut in zip(fit.resize, fit.crop, strict=True))
        return Fit(resize=(larger[0], larger[1]), crop=side, resample=fit.resample)
    return Fit(resize=round(fit.resize * image_size / min(fit.crop)), crop=side, resample=fit.resample)


def _normalisation(settings: Mapping[str, Any], channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of pixels in 0..1 a channel; 0.5 where the file says nothing of them."""
    mean, std = (_values(settings.get(key), channels) for key in ("image_mean", "image_std"))
    is_plain = settings.get("do_normalize") is False or bool(settings.get("do_flip_channel_order"))
    if is_plain:
        mean, std = (0.0,) * channels, (1.0,) * channels
    elif settings.get("include_top") is True:
        std = tuple(value * value for value in std)
    factor = 255.0 if settings.get("do_rescale") is False else 255 * float(settings.get("rescale_factor") or 1 / 255)
    offset = 1.0 if settings.get("rescale_offset") and settings.get("do_rescale") is not False else 0.0
    if abs(factor - 1) < 1e-9 and not offset:
        return mean, std
    return tuple((value + offset) / factor for value in mean), tuple(value / factor for value in std)


def _values(given: Any, channels: int) -> tuple[float, ...]:
    values = [given] if isinstance(given, (int, float)) else list(given or [0.5])
    return tuple(map(float, (values * channels)[:channels] if len(values) == 1 else values[:channels]))
