"""Checks the folder of a checkpoint or of an export before anything of it is loaded: no code in it is ever run."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.data.checkpoints.weights import check_weights
from harness.errors import CheckpointError, MissingPackage, nearest
from harness.runtime import quick_imports

__all__ = [
    "TOKENIZER_FILES",
    "check_folder",
    "missing_package",
    "refuse_own_code",
    "refuse_unknown_type",
]

#: The small files of a checkpoint, one or more of which its tokenizer may be saved in.
TOKENIZER_FILES = ("*.json", "*.txt", "*.model", "*.model.v*", "*.codes", "*.spm", "*.tokenizer")

#: The files that may name Python code of a checkpoint's own, under the key `auto_map`.
_SETTINGS = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
#: The packages that read a vocabulary of SentencePiece, each with a module of it.
_READERS = {"sentencepiece": "sentencepiece", "protobuf": "google.protobuf"}


def check_folder(where: str, folder: Path) -> None:
    """Checks that a folder holds a whole checkpoint that can be trained without code of its own.

    Args:
        where: the beginning of an error's message, which names the folder as the user did.
        folder: it exists.

    Raises:
        CheckpointError: it does not; with the remedy.
        MissingPackage: a package that reads its vocabulary is not installed.
    """
    _refuse_broken_links(where, folder)
    for path in sorted({path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)}):
        _refuse_other_text(where, path)
    _refuse_adapter(where, folder)
    if not (folder / "config.json").is_file():
        listed = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
        within = sorted(path.parent for start in ("*", "snapshots/*") for path in folder.glob(f"{start}/config.json"))
        hint = f"; did you mean {within[-1]}?" if within else ""
        raise CheckpointError(f"{where} has no config.json (it holds: {listed}){hint}")
    config = _settings(where, folder / "config.json")
    if not isinstance(model_type := config.get("model_type"), str) or not model_type:
        raise CheckpointError(
            f"{where}: config.json names no model_type; copy the config.json that save_pretrained wrote with the "
            "weights"
        )
    refuse_own_code(where, folder)
    refuse_unknown_type(where, model_type, config.get("transformers_version"))
    _refuse_quantised(where, folder, config)
    check_weights(where, folder)
    _require_sentencepiece(where, folder)


def refuse_own_code(where: str, folder: Path) -> None:
    """Raises CheckpointError for a folder that only works with Python code of its own, which is never run.

    A configuration that names code for a model type that transformers has too is loaded by transformers' own code, and
    so is a tokenizer that is saved as tokenizer.json.
    """
    for path in (folder / name for name in _SETTINGS if (folder / name).is_file()):
        settings = _settings(where, path)
        if not settings.get("auto_map") or _works_without(path, settings):
            continue
        code = next(_names(settings["auto_map"]), "Python code")
        raise CheckpointError(
            f"{where} needs Python code of its own, which is never run ({path.name}: auto_map names {code}); choose a "
            "checkpoint whose model type and tokenizer transformers has itself"
        )


def refuse_unknown_type(where: str, model_type: str, saved_by: object = None) -> None:
    """Raises CheckpointError for a model type that the installed transformers does not have.

    Args:
        where: the beginning of the message.
        model_type: as config.json or the study names it.
        saved_by: the version of transformers that wrote config.json, where it says one.
    """
    spec = importlib.util.find_spec("transformers")
    models = [Path(place) / "models" for place in (spec and spec.submodule_search_locations) or ()]
    if model_type.isidentifier() and any((folder / model_type / "__init__.py").is_file() for folder in models):
        return  # most types have a folder of their name, and importing transformers takes seconds
    with quick_imports():
        from transformers import CONFIG_MAPPING, __version__

    if model_type in CONFIG_MAPPING:
        return
    saved = f", which was saved by transformers {saved_by}" if isinstance(saved_by, str) else ""
    raise CheckpointError(
        f"{where}: transformers {__version__}, which is installed, has no model type '{model_type}'{saved}"
        f"{nearest(model_type, CONFIG_MAPPING)}; if a newer version has it, pip install --upgrade transformers, else "
        "choose another model"
    )


def _works_without(path: Path, settings: Mapping[str, Any]) -> bool:
    """True where transformers loads without the code that the file names."""
    if path.name == "config.json":
        with quick_imports():
            from transformers import CONFIG_MAPPING

        return settings.get("model_type") in CONFIG_MAPPING
    return path.name == "tokenizer_config.json" and path.with_name("tokenizer.json").is_file()


def _names(auto_map: Any) -> Iterator[str]:
    """Yields the names of classes in an `auto_map`, whose values are names or lists of names and nulls."""
    if isinstance(auto_map, str):
        yield auto_map
    elif isinstance(auto_map, (list, Mapping)):
        for part in auto_map.values() if isinstance(auto_map, Mapping) else auto_map:
            yield from _names(part)


def _settings(where: str, path: Path) -> dict[str, Any]:
    """Returns the values of a JSON file."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        _refuse_other_text(where, path)
        raise CheckpointError(
            f"{where}: {path.name} cannot be read ({error}): is it JSON? copy or download it again"
        ) from error
    if not isinstance(settings, dict):
        raise CheckpointError(f"{where}: {path.name} holds no JSON object")
    return settings


def _refuse_other_text(where: str, path: Path) -> None:
    """Raises CheckpointError for a pointer of Git LFS or a web page in the place of a file."""
    if not path.is_file():
        return
    with path.open("rb") as stream:
        head = stream.read(64).lstrip().lower()
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{where}: {path.name} is a pointer of Git LFS, not the file; run: git lfs pull")
    if head.startswith((b"<!doctype", b"<html")):
        raise CheckpointError(
            f"{where}: {path.name} is a web page; download the file itself (the 'raw' or 'download' link)"
        )


def _refuse_broken_links(where: str, folder: Path) -> None:
    """Raises CheckpointError for links to files that are not there, as in a copy of a part of the Hub's cache."""
    broken = next((path for path in sorted(folder.iterdir()) if path.is_symlink() and not path.exists()), None)
    if broken is not None:
        raise CheckpointError(
            f"{where}: {broken.name} is a link to {broken.readlink()}, which is not there; copy the folder with its "
            "files (cp -rL), or download it again"
        )


def _refuse_adapter(where: str, folder: Path) -> None:
    path = folder / "adapter_config.json"
    if path.is_file():
        base = _settings(where, path).get("base_model_name_or_path")
        into = f"'{base}'" if base else "the model that it was trained on, which the file does not name,"
        raise CheckpointError(
            f"{where} holds an adapter (adapter_config.json), not a whole model; merge it into {into} first (peft: "
            "merge_and_unload, then save_pretrained) and give that folder"
        )


def _refuse_quantised(where: str, folder: Path, config: Mapping[str, Any]) -> None:
    """Raises CheckpointError for weights of few bits: they cannot be trained, and transformers would not say so."""
    settings = config.get("quantization_config")
    if not settings and (folder / "quantize_config.json").is_file():
        settings = _settings(where, folder / "quantize_config.json") or {}
    if settings == {} and "quantization_config" in config:
        raise CheckpointError(
            f"{where}: config.json has an empty quantization_config, which transformers refuses; delete that key where "
            "the weights are whole, or give the checkpoint that it was made from"
        )
    if not settings:
        return
    method = settings.get("quant_method") if isinstance(settings, dict) else None
    bits = next((f", {bits} bits" for bits in (4, 8) if isinstance(settings, dict) and _is_of(settings, bits)), "")
    raise CheckpointError(
        f"{where} is quantised ({method or 'quantization_config'}{bits}), and quantised weights cannot be fine-tuned; "
        "give the checkpoint that it was made from, in fp32, bf16 or fp16"
    )


def _is_of(settings: Mapping[str, Any], bits: int) -> bool:
    return bool(settings.get(f"load_in_{bits}bit")) or settings.get("bits") == bits


def _require_sentencepiece(where: str, folder: Path) -> None:
    """Raises MissingPackage for a vocabulary of SentencePiece that cannot be read here.

    transformers would try to read it as another format, and name that format's package instead.
    """
    pieces = [path for path in sorted(folder.glob("*.model")) if path.name != "tiktoken.model"]
    if pieces and not (folder / "tokenizer.json").is_file():
        for package, module in _READERS.items():
            if not _is_installed(module):
                raise missing_package(f"{where}: its vocabulary {pieces[0].name}", package)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around the module
        return False


def missing_package(what: str, package: str) -> MissingPackage:
    """Returns the error for something that needs an optional package."""
    return MissingPackage(f"{what} needs the package {package}, which is not installed: pip install {package}")
