"""Weights are checked by their headers: cut off, missing and quantised ones end before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save, save_file

from harness.data.checkpoints.folder import check_folder
from harness.data.checkpoints.weights import check_weights, loaded_files, num_values
from harness.errors import CheckpointError

TENSORS = {"encoder.weight": np.zeros((8, 4), np.float32), "encoder.bias": np.zeros(4, np.float16)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        check_folder("x", folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def sharded(folder: Path) -> Path:
    """The folder with a file for each tensor, and their index."""
    names = {name: f"model-0000{at}-of-00002.safetensors" for at, name in enumerate(TENSORS, start=1)}
    for name, file in names.items():
        save_file({name: TENSORS[name]}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}), encoding="utf-8")
    (folder / "model.safetensors").unlink()
    return folder


def test_whole_weights_in_one_file_and_in_several(folder: Path) -> None:
    check_folder("x", folder)
    assert num_values(folder / "model.safetensors") == 36
    check_folder("x", sharded(folder))
    assert [file.name[:11] for file in loaded_files("x", folder)] == ["model-00001", "model-00002"]


@pytest.mark.parametrize("num_bytes", range(0, len(save(TENSORS)), 7))
def test_a_file_that_is_cut_anywhere_is_refused_with_its_sizes(folder: Path, num_bytes: int) -> None:
    content = save(TENSORS)
    (folder / "model.safetensors").write_bytes(content[:num_bytes])
    said = refused(folder)
    assert "x: model.safetensors is" in said and f"it has {num_bytes} bytes" in said
    num_header = int.from_bytes(content[:8], "little")
    if num_bytes > 8 + num_header:
        assert f"its header says {len(content)}; copy or download it again" in said
    elif num_bytes > 8:
        assert f"its header alone needs {8 + num_header}; copy" in said


def test_what_is_no_such_file_is_refused(folder: Path) -> None:
    for content in (b"<!doctype html><html></html>", b"\x80\x02}q\x00" * 20, save(TENSORS) + b"more"):
        (folder / "model.safetensors").write_bytes(content)
        assert refused(folder).startswith("x: model.safetensors is no safetensors file (")


def test_a_file_of_several_that_is_missing_or_cut_off_is_named(folder: Path) -> None:
    first, second = loaded_files("x", sharded(folder))
    second.write_bytes(second.read_bytes()[:-1])
    assert f"x: {second.name} is cut off" in refused(folder)
    second.unlink()
    assert refused(folder) == (
        f"x: {second.name} is missing, which model.safetensors.index.json lists (1 of 2 files are); copy or download "
        "it too"
    )
    (folder / "model.safetensors.index.json").write_text("{}", encoding="utf-8")
    assert "x: model.safetensors.index.json cannot be read ('weight_map')" in refused(folder)
    (folder / "model.safetensors.index.json").unlink()
    assert f"x has {first.name}, and neither model.safetensors nor model.safetensors.index.json" in refused(folder)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32])
@pytest.mark.parametrize("name", ["encoder.weight", "encoder.qweight", "attention.in_proj_weight"])
def test_weights_of_few_bits_are_refused(folder: Path, name: str, dtype: type) -> None:
    save_file({**TENSORS, name: np.zeros((8, 4), dtype)}, folder / "model.safetensors")
    assert f"x: model.safetensors is quantised ('{name}' is " in refused(folder)


def test_weights_of_eight_bit_floats_are_refused(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    save_torch({"a.weight": torch.zeros(4).to(torch.float8_e4m3fn)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"is quantised \('a\.weight' is F8_E4M3\), and quantised weights cannot"):
        check_weights("x", folder)


def test_masks_and_positions_are_no_weights(folder: Path) -> None:
    beside = {"attn.bias": np.ones((64, 64), np.uint8), "position_ids": np.arange(64), "mask": np.ones(4, bool)}
    save_file({**TENSORS, **beside}, folder / "model.safetensors")
    check_folder("x", folder)
