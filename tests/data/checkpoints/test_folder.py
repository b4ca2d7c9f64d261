from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from safetensors.numpy import save_file

from harness.data.checkpoints import folder as module
from harness.data.checkpoints.folder import check_folder, refuse_own_code, refuse_unknown_type
from harness.errors import CheckpointError, InputError, MissingPackage

Spoil = Callable[[Path], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    write("config.json", model_type="bert")(tmp_path)
    return tmp_path


def write(name: str, **settings: Any) -> Spoil:
    return lambda folder: (folder / name).write_text(json.dumps(settings), encoding="utf-8")


def quantised(method: str, **settings: Any) -> Spoil:
    return write("config.json", model_type="bert", quantization_config={"quant_method": method, **settings})


def renamed(name: str) -> Spoil:
    return lambda folder: (folder / "model.safetensors").rename(folder / name)


def test_check_folder_of_a_good_one(folder: Path) -> None:
    (folder / "handler.py").write_text("raise SystemExit", encoding="utf-8")  # never run, so it does no harm
    check_folder("x", folder)


def test_a_folder_around_a_checkpoint_names_it(folder: Path) -> None:
    for within in ("checkpoint-500", "snapshots/abc"):
        around = folder / "runs" / within
        around.mkdir(parents=True)
        write("config.json", model_type="bert")(around)
        with pytest.raises(CheckpointError, match=rf"has no config.json .*; did you mean .*{around.name}\?"):
            check_folder("x", folder / "runs")
        (around / "config.json").unlink()


OWN_CODE: list[tuple[Spoil, str]] = [
    (write("config.json", model_type="xnew", auto_map={"AutoConfig": "configuration_x.XConfig"}), "configuration_x"),
    (write("tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_x.XTokenizer", None]}), "tokenization_x"),
    (write("tokenizer_config.json", auto_map=[None, "owner/other--fast.Fast"]), "owner/other--fast.Fast"),
    (write("preprocessor_config.json", auto_map={"AutoImageProcessor": "processing_x.X"}), "processing_x.X"),
]


@pytest.mark.parametrize(("spoil", "names"), OWN_CODE)
def test_own_code_is_refused_and_named(folder: Path, spoil: Spoil, names: str) -> None:
    spoil(folder)
    with pytest.raises(CheckpointError, match=r"^x needs Python code of its own, which is never run") as caught:
        check_folder("x", folder)
    assert names in str(caught.value)
    with pytest.raises(CheckpointError):
        refuse_own_code("an export", folder)


@pytest.mark.parametrize(
    "spoil",
    [
        write("config.json", model_type="bert", auto_map={"AutoModel": "modeling_x.XModel"}),
        write("tokenizer_config.json", auto_map={}),
    ],
)
def test_what_transformers_has_itself_is_loaded_without_the_code(folder: Path, spoil: Spoil) -> None:
    spoil(folder)
    check_folder("x", folder)


def test_a_saved_tokenizer_needs_no_code(folder: Path) -> None:
    write("tokenizer_config.json", auto_map={"AutoTokenizer": ["a.B", "a.C"]})(folder)
    write("tokenizer.json")(folder)
    check_folder("x", folder)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (quantised("bitsandbytes", load_in_4bit=True),
         r"is quantised \(bitsandbytes, 4 bits\).* give the checkpoint that it was made from"),
        (quantised("gptq", bits=8), "gptq, 8 bits"),
        (write("quantize_config.json", bits=4), r"is quantised \(quantization_config, 4 bits\)"),
        (write("adapter_config.json", base_model_name_or_path="owner/base"), "merge it into 'owner/base' first"),
        (renamed("pytorch_model.bin"), r"only pytorch_model\.bin, a pickle, which can run code"),
        (renamed("model.gguf"), r"only model\.gguf, which is quantised"),
        (renamed("tf_model.h5"), r"only tf_model\.h5, weights of TensorFlow"),
        (renamed("weights.safetensors"), r"has no weights; allowed: model\.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
         r"model\.safetensors is a pointer of Git LFS, not the weights; run: git lfs pull"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("{"), r"tokenizer_config\.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[]"), r"config\.json holds no JSON object"),
        (write("config.json", model_type=""), r"config\.json names no model_type"),
        (lambda folder: (folder / "config.json").write_text("version https://git-lfs.github.com/spec/v1\n"),
         r"x: config\.json is a pointer of Git LFS, not the file; run: git lfs pull"),
        (lambda folder: (folder / "tokenizer.json").write_text("version https://git-lfs.github.com/spec/v1\n"),
         r"x: tokenizer\.json is a pointer of Git LFS, not the file; run: git lfs pull"),
        (lambda folder: (folder / "vocab.txt").write_text("<!DOCTYPE html>"), r"vocab\.txt is a web page; download"),
        (write("config.json", model_type="bert", quantization_config={}),
         r"config\.json has an empty quantization_config, which transformers refuses; delete that key"),
        (write("config.json", model_type="../bert"), r"has no model type '\.\./bert'"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(folder: Path, spoil: Spoil, says: str) -> None:
    spoil(folder)
    with pytest.raises(CheckpointError, match=says):
        check_folder("x", folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_link_to_a_file_that_is_not_there_is_told(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to("../../blobs/abc")
    with pytest.raises(CheckpointError, match=rf"x: {name} is a link to \.\./\.\./blobs/abc, which is not there; copy"):
        check_folder("x", folder)


def test_an_adapter_alone_is_refused_as_one(tmp_path: Path) -> None:
    write("adapter_config.json")(tmp_path)
    with pytest.raises(
        CheckpointError, match="merge it into the model that it was trained on, which the file does not"
    ):
        check_folder("x", tmp_path)


@pytest.mark.parametrize("name", ["spm.model", "spiece.model", "sentencepiece.bpe.model"])
def test_a_vocabulary_of_sentencepiece_names_its_package(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / name).write_bytes(b"")
    monkeypatch.setattr(module, "_READERS", {"sentencepiece": "surely.absent"})
    with pytest.raises(MissingPackage, match=rf"{name} needs the package sentencepiece.*pip install sentencepiece$"):
        check_folder("x", folder)
    monkeypatch.setattr(module, "_READERS", {"sentencepiece": "json"})
    check_folder("x", folder)
    monkeypatch.setattr(module, "_READERS", {"sentencepiece": "surely_absent"})
    write("tokenizer.json")(folder)
    check_folder("x", folder)


def test_errors_are_bad_input() -> None:
    assert issubclass(CheckpointError, InputError) and issubclass(MissingPackage, InputError)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model_type": "robertta"}, "'robertta'; did you mean 'roberta'?; if a newer"),
        (
            {"model_type": "qqqq", "transformers_version": "9.1"},
            "'qqqq', which was saved by transformers 9.1; if a newer",
        ),
    ],
)
def test_a_model_type_that_transformers_lacks(folder: Path, settings: dict[str, str], says: str) -> None:
    write("config.json", **settings)(folder)
    with pytest.raises(CheckpointError) as caught:
        check_folder("x", folder)
    start = f"x: transformers {transformers.__version__}, which is installed, has no model type "
    assert str(caught.value).startswith(start + says)
    assert str(caught.value).endswith(" version has it, pip install --upgrade transformers, else choose another model")


def test_every_model_type_of_transformers_is_known() -> None:
    for model_type in ("bert", "gpt-sw3", "xlm-roberta", "data2vec-text", "t5"):
        refuse_unknown_type("x", model_type)
