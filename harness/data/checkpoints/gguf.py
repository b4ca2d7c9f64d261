"""Makes a checkpoint that transformers can train of a GGUF file, once, in the cache.

transformers reads such a file into fp32 weights, but cannot save what it has read, which its configuration calls
quantised.
"""

from __future__ import annotations

import importlib.util
import io
import warnings
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from harness.data.cache import built_once, default_cache
from harness.errors import CheckpointError, MissingPackage

__all__ = ["converted"]

#: Raised when the same file would be converted differently.
VERSION = 1
_PACKAGES = ("gguf", "accelerate")


def converted(where: str, file: Path, sha256: str) -> Path:
    """Returns the folder of the fp32 checkpoint that a GGUF file holds, with its tokenizer.

    Args:
        where: the beginning of an error's message, which names the checkpoint as the user did.
        file: the file, whose hash is `sha256`.
        sha256: names the folder in the cache.

    Raises:
        MissingPackage: a package that reads such files is not installed.
        CheckpointError: the file cannot be read.
    """
    folder = default_cache() / "checkpoints" / f"gguf-{VERSION}-{sha256[:32]}"
    if folder.is_dir():
        return folder
    missing = [package for package in _PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingPackage(
            f"{where} is a GGUF file, which {' and '.join(missing)} read: pip install 'finetune-harness[chat]'"
        )
    try:
        return built_once(folder, lambda staging: _convert(file, staging))
    except Exception as error:  # a broken file raises all kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{where}: {file} cannot be read as GGUF ({reason[:200]})") from error


def _convert(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # Its bars do not ask whether they may be shown.
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        where: dict[str, Any] = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
        model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(**where, trust_remote_code=False)
    settings = {name: value for name, value in model.config.to_dict().items() if name != "quantization_config"}
    config: Any = type(model.config).from_dict(settings)
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    plain.load_state_dict(model.state_dict())
    folder.mkdir(mode=0o700)
    with redirect_stderr(io.StringIO()):
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
