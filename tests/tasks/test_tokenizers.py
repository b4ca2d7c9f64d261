"""Tokenizers as checkpoints have them: in Python, without a vocabulary, without a package, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.data.prepared import PreparedData
from harness.errors import CheckpointError, MissingPackage
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.tasks.models import quiet
from harness.tasks.token_ids import encode_texts
from harness.tasks.tokenizers import load_tokenizer
from tests.tasks.kinds import architecture_of
from tests.tasks.tiny import config

TASK = task_of("text-classification")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def phobert(folder: Path) -> None:
    """A vocabulary of letters, as PhoBERT and BERTweet have theirs."""
    (folder / "vocab.txt").write_text("".join(f"{a} 9\n{a}@@ 9\n" for a in LETTERS), encoding="utf-8")
    (folder / "bpe.codes").write_text("#version: 0.2\n", encoding="utf-8")


def japanese(folder: Path) -> None:
    """A vocabulary of characters, as Japanese BERT has it."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")


BERT = {"model_type": "bert"}
BASIC = {"word_tokenizer_type": "basic", "subword_tokenizer_type": "character"}
#: The class, its settings, the model type, and what writes its files.
IN_PYTHON: dict[str, tuple[dict[str, Any], str, Any]] = {
    "PhobertTokenizer": ({}, "roberta", phobert),
    "BertweetTokenizer": ({}, "roberta", phobert),
    "BertJapaneseTokenizer": (BASIC, "bert", japanese),
    "ByT5Tokenizer": ({}, "t5", lambda folder: None),
    "CanineTokenizer": ({}, "canine", lambda folder: None),
}


@pytest.fixture(params=sorted(IN_PYTHON))
def checkpoint(request: pytest.FixtureRequest, data: PreparedData, tmp_path: Path) -> Path:
    settings, kind, write = IN_PYTHON[request.param]
    sizes = {"vocab_size": 400} if kind != "canine" else {}
    with quiet():
        TASK.build_model(config(architecture=architecture_of(kind) | sizes), data).save_pretrained(tmp_path)
    write(tmp_path)
    if kind == "t5":  # whose end token is ByT5's
        settings_of_model = json.loads((tmp_path / "config.json").read_text(encoding="utf-8")) | {"eos_token_id": 1}
        (tmp_path / "config.json").write_text(json.dumps(settings_of_model), encoding="utf-8")
    described = {"tokenizer_class": request.param, **settings}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(described), encoding="utf-8")
    return tmp_path


@torch.no_grad()
def test_a_tokenizer_in_python_works(
    checkpoint: Path, data: PreparedData, tmp_path_factory: pytest.TempPathFactory
) -> None:
    trial = config(checkpoint=str(checkpoint), data={"max_length": 40})
    model = TASK.build_model(trial, data).eval()
    examples = encoded(data, trial, "train")
    assert not load_tokenizer(checkpoint).is_fast
    assert examples.stats["unknown_fraction"] < 0.2
    assert 0 < examples.stats["truncated_fraction"] < 1
    assert examples.lengths.max() == 40
    assert torch.isfinite(model(**TASK.collate(examples, np.arange(4))).logits).all()
    export = tmp_path_factory.mktemp("export")
    with quiet():
        model.save_pretrained(export)
    TASK.write_processor(trial, data, export)
    rows = data.frame("test").to_dict("records")
    found, expected = TASK.predict_inputs(rows, export, 40), encoded(data, trial, "test")
    torch.testing.assert_close(TASK.collate(found, np.arange(len(rows))), TASK.collate(expected, np.arange(len(rows))))


@torch.no_grad()
def test_canine_reads_a_single_letter(data: PreparedData, tmp_path: Path) -> None:
    with quiet():
        model = TASK.build_model(config(architecture=architecture_of("canine")), data).eval()
        model.save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}', encoding="utf-8")
    examples = TASK.predict_inputs([{"text": "a"}, {"text": "a longer text"}], tmp_path, 40)
    assert examples.lengths.tolist() == [4, 15]
    assert torch.isfinite(model(**TASK.collate(examples, np.array([0]))).logits).all()


def test_a_tokenizer_that_cannot_encode_is_told() -> None:
    with quiet():
        from tokenizers import Tokenizer, models
        from transformers import PreTrainedTokenizerFast
    wrap: Any = PreTrainedTokenizerFast
    tokenizer = wrap(tokenizer_object=Tokenizer(models.WordPiece({"a": 0}, unk_token="[UNK]")))
    with pytest.raises(CheckpointError, match=r"its tokenizer cannot encode the texts .*Missing .UNK. token"):
        encode_texts(tokenizer, [["b"]], 6, segments=False, end_id=None)


def test_a_row_as_long_as_the_limit_is_not_cut(tmp_path: Path) -> None:
    japanese(tmp_path)
    described = {"tokenizer_class": "BertJapaneseTokenizer", **BASIC}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(described), encoding="utf-8")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    texts = ["a" * count for count in (1, 4, 5)]
    tokenizer = load_tokenizer(tmp_path)
    fields, stats = encode_texts(tokenizer, [texts], 6, segments=False, end_id=None)
    assert np.diff(fields["input_ids"].offsets).tolist() == [3, 6, 6]
    assert stats["truncated_fraction"] == pytest.approx(1 / 3)
    pairs, stats = encode_texts(tokenizer, [texts, texts], 9, segments=True, end_id=None)
    assert np.diff(pairs["token_type_ids"].offsets).tolist() == [5, 9, 9]
    assert stats["truncated_fraction"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("error", "package"),
    [
        (ModuleNotFoundError("No module named 'fugashi'", name="fugashi"), "fugashi"),
        (ImportError("XTokenizer requires rjieba: run `pip install rjieba` first"), "rjieba"),
        (ValueError("`tiktoken` is required. Install it with `pip install tiktoken`."), "tiktoken"),
    ],
)
def test_a_missing_package_is_named(
    error: Exception, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", fail)
    with pytest.raises(MissingPackage, match=rf"needs the package {package}, .*: pip install {package}$"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("kind", ["bert", "deberta-v2", "gpt2", "xlm-roberta"])
def test_an_empty_tokenizer_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="has no tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"config.json": BERT, "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}},
         r"has no tokenizer \(no tokenizer.json, tokenizer.model\); copy the tokenizer's files too"),
        ({"config.json": {"model_type": "vit"}},
         r"a vit model \(config.json: model_type\) reads images and no texts; choose a checkpoint of texts"),
        ({"config.json": {**BERT, "hidden_size": "eight"}, "tokenizer.json": {}},
         r"does not take its config.json \(.*'hidden_size' expected int, got str .*'eight'.*\); correct the value"),
        ({"config.json": BERT, "tokenizer.json": {}},
         r"has no tokenizer that loads \(.*\); copy its tokenizer files again, or save them with"),
    ],
)  # fmt: skip
def test_why_a_tokenizer_does_not_load_is_told(files: dict[str, Any], says: str, tmp_path: Path) -> None:
    for name, settings in files.items():
        (tmp_path / name).write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(CheckpointError, match=says):
        load_tokenizer(tmp_path)
