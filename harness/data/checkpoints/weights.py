"""Checks the weights of a checkpoint by their names and by the headers of safetensors files; no weights are loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from harness.errors import CheckpointError

__all__ = ["check_weights", "loaded_files", "num_values", "weight_files"]

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
#: A header of more bytes is none (the limit of the package safetensors).
MAX_HEADER_BYTES = 100_000_000
#: The types of weights that can be trained; buffers beside them (masks, positions) may have others.
_FLOATS = frozenset(["F64", "F32", "F16", "BF16"])
_AGAIN = "copy or download it again"
#: Weights in formats that are not read, and what is wrong with them.
_OTHER_WEIGHTS = {
    **dict.fromkeys((".bin", ".pt", ".pth", ".ckpt", ".pkl"), "a pickle, which can run code when it is loaded"),
    ".gguf": "which is quantised and cannot be trained",
    ".h5": "weights of TensorFlow",
    ".msgpack": "weights of Flax",
    ".onnx": "which cannot be trained",
}
_LFS_POINTER = b"version https://git-lfs"


def weight_files(folder: Path) -> list[Path]:
    """Returns the files of a checkpoint's weights."""
    return sorted(path for path in folder.glob("model*.safetensors") if path.is_file())


def loaded_files(where: str, folder: Path) -> list[Path]:
    """Returns the files that transformers loads: model.safetensors, else those that the index lists; [] for none.

    Args:
        where: the beginning of an error's message, which names the folder as the user did.
        folder: it exists.

    Raises:
        CheckpointError: a file of the index is missing, or there are weights that nothing names.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        if files := weight_files(folder):
            raise CheckpointError(
                f"{where} has {files[0].name}, and neither {SINGLE} nor {INDEX}, by which weights are found; copy the "
                f"index too or, if {files[0].name} is all, name it {SINGLE}"
            )
        return []
    names = _listed(where, folder / INDEX)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{where}: {missing[0]} is missing, which {INDEX} lists ({len(missing)} of {len(names)} files are); copy "
            "or download it too"
        )
    return [folder / name for name in names]


def _listed(where: str, index: Path) -> list[str]:
    """Returns the names of the files that an index lists."""
    try:
        return sorted(set(map(str, json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{where}: {index.name} cannot be read ({error}); {_AGAIN}") from error


def check_weights(where: str, folder: Path) -> None:
    """Checks that the weights in a folder are safetensors, that their files are whole, and that they can be trained.

    Raises:
        CheckpointError: a file is missing, cut off or of another kind, or holds weights of few bits; with the remedy.
    """
    files = loaded_files(where, folder)
    _refuse_other_weights(where, folder)
    for file in files:
        for name, tensor in _tensors(where, file).items():
            if "weight" in name.rpartition(".")[2] and tensor["dtype"] not in _FLOATS:
                raise CheckpointError(
                    f"{where}: {file.name} is quantised ('{name}' is {tensor['dtype']}), and quantised weights cannot "
                    "be fine-tuned; give the checkpoint that it was made from, in fp32, bf16 or fp16"
                )


def _refuse_other_weights(where: str, folder: Path) -> None:
    """Raises CheckpointError where there are no safetensors, or only Git LFS's pointers to them."""
    files = weight_files(folder)
    pointer = next((path for path in files if _begins_with(path, _LFS_POINTER)), None)
    if pointer is not None:
        raise CheckpointError(f"{where}: {pointer.name} is a pointer of Git LFS, not the weights; run: git lfs pull")
    if files:
        return
    other = next((path for path in sorted(folder.iterdir()) if path.suffix in _OTHER_WEIGHTS), None)
    what = f"only {other.name}, {_OTHER_WEIGHTS[other.suffix]}" if other is not None else "no weights"
    raise CheckpointError(
        f"{where} has {what}; allowed: model.safetensors "
        "(load and save it once with transformers: save_pretrained writes safetensors)"
    )


def _begins_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(start)) == start


def num_values(file: Path) -> int:
    """Returns how many numbers a file of weights holds, by its header.

    Raises:
        CheckpointError: it is no such file, or cut off.
    """
    return sum(prod(tensor["shape"]) for tensor in _tensors("model.checkpoint", file).values())


def _tensors(where: str, file: Path) -> dict[str, Mapping[str, Any]]:
    """Returns type, shape and place of each tensor, as the header of a whole file gives them."""
    from safetensors import SafetensorError, safe_open

    num_bytes = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(9)
        num_header = int.from_bytes(start[:8], "little")
        is_header = len(start) == 9 and start[8:] == b"{" and num_header <= MAX_HEADER_BYTES
        header = start[8:] + stream.read(num_header - 1) if is_header else b""
    if is_header and len(header) < num_header:
        raise _cut_off(where, file, num_bytes, f"its header alone needs {8 + num_header}")
    try:
        tensors = {name: tensor for name, tensor in json.loads(header).items() if name != "__metadata__"}
        whole = 8 + num_header + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
        if num_bytes < whole:
            raise _cut_off(where, file, num_bytes, f"its header says {whole}")
        with safe_open(file, framework="numpy"):  # checks all of the header
            return tensors
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        reason = error if header else f"it has {num_bytes} bytes and no header"
        raise CheckpointError(f"{where}: {file.name} is no safetensors file ({reason}); {_AGAIN}") from error


def _cut_off(where: str, file: Path, num_bytes: int, of: str) -> CheckpointError:
    return CheckpointError(f"{where}: {file.name} is cut off: it has {num_bytes} bytes, and {of}; {_AGAIN}")
