from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.data.prepared import PreparedData
from harness.errors import CheckpointError, DataError
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.tasks.tokenizers import load_tokenizer, train_tokenizer
from tests.tasks.tiny import architecture, config

TASK = task_of("text-classification")
BERT = architecture("bert")


def test_collate_pads_to_the_longest_of_its_rows(data: PreparedData) -> None:
    examples = encoded(data, config(architecture=BERT), "train")
    rows = np.argsort(examples.lengths)[[0, -1, 5]]
    inputs = TASK.collate(examples, rows)
    assert set(inputs) == {"input_ids", "attention_mask"}
    assert inputs["input_ids"].shape == (3, examples.lengths[rows].max())
    assert inputs["input_ids"].dtype == inputs["attention_mask"].dtype == torch.int64
    assert inputs["attention_mask"].sum(1).tolist() == examples.lengths[rows].tolist()
    assert (inputs["input_ids"][inputs["attention_mask"] == 0] == examples.stats["pad_token_id"]).all()
    ids = examples.fields["input_ids"]
    for given, row in zip(inputs["input_ids"], rows, strict=True):
        own = ids.values[ids.offsets[row] : ids.offsets[row + 1]]
        assert given[: len(own)].tolist() == own.tolist()


def test_collate_gives_segments_of_pairs(pairs: PreparedData) -> None:
    trial = config(architecture=BERT)
    inputs = TASK.collate(encoded(pairs, trial, "train"), np.arange(4))
    ids, kinds = inputs["input_ids"], inputs["token_type_ids"]
    separator = int(ids[0][inputs["attention_mask"][0].sum() - 1])
    first = int((ids[0] == separator).nonzero()[0])
    assert kinds[0][: first + 1].tolist() == [0] * (first + 1)
    assert kinds[0][first + 1] == 1


def test_collate_gives_no_segments_to_a_model_that_has_none(pairs: PreparedData) -> None:
    for family in ("distilbert", "gpt2", "t5"):
        examples = encoded(pairs, config(architecture=architecture(family)), "train")
        assert set(TASK.collate(examples, np.arange(4))) == {"input_ids", "attention_mask"}


def test_encode_cuts_and_says_so(data: PreparedData, tmp_path: Path) -> None:
    whole = encoded(data, config(architecture=BERT), "train")
    cut = encoded(data, config(architecture=BERT, data={"max_length": 8}), "train")
    assert whole.stats["truncated_fraction"] == 0
    assert cut.stats["truncated_fraction"] == pytest.approx((np.asarray(whole.lengths) > 8).mean())
    assert cut.lengths.max() == cut.stats["max_length"] == 8
    ids = cut.fields["input_ids"]
    assert {int(ids.values[end - 1]) for end in ids.offsets[1:]} == {
        scratch_tokenizer(data, config(architecture=BERT), tmp_path).sep_token_id
    }


def scratch_tokenizer(data: PreparedData, trial: TrialConfig, folder: Path) -> Any:
    TASK.write_processor(trial, data, folder)
    return load_tokenizer(folder)


def test_encode_keeps_to_the_positions_of_the_model(data: PreparedData) -> None:
    long = {"max_length": 1000}
    assert encoded(data, config(architecture=BERT, data=long), "test").stats["length_limit"] == 40
    # RoBERTa's positions start behind its pad token.
    assert encoded(data, config(architecture=architecture("roberta"), data=long), "test").stats["length_limit"] == 39
    assert encoded(data, config(architecture=architecture("t5"), data=long), "test").stats["length_limit"] == 512


def test_encode_without_room_for_text_is_refused(data: PreparedData) -> None:
    with pytest.raises(DataError, match="2 tokens leave no room for text"):
        encoded(data, config(architecture=BERT, data={"max_length": 2}), "train")


def test_encode_counts_unknown_tokens(data: PreparedData, saved: Callable[[str], Path]) -> None:
    assert encoded(data, config(architecture=BERT), "train").stats["unknown_fraction"] < 0.01
    found = TASK.predict_inputs([{"text": "☃ tea ☃"}], saved("bert"), 16)
    assert found.stats["unknown_fraction"] == pytest.approx(2 / 3)


def test_encode_augments_train_only(data: PreparedData) -> None:
    trial = config(architecture=BERT, data={"augment": ["delete", "swap"]})
    plain = config(architecture=BERT)
    rows = data.meta.rows
    train = encoded(data, trial, "train")
    assert len(train) == 3 * rows["train"]
    assert len(encoded(data, trial, "validation")) == rows["validation"]
    assert train.targets["labels"].tolist() == encoded(data, plain, "train").targets["labels"].tolist() * 3
    originals = TASK.collate(encoded(data, plain, "train"), np.arange(4))["input_ids"]
    torch.testing.assert_close(TASK.collate(train, np.arange(4))["input_ids"], originals)


def test_scratch_tokenizer_is_the_same_every_time(tmp_path: Path) -> None:
    texts = [f"w{number} and w{number % 7} or w{number % 3}, {chr(0x4E00 + number % 50)}好" for number in range(300)]
    for size in (40, 120):
        for name in ("a", "b"):
            train_tokenizer(texts, size, 40, False, tmp_path / f"{name}{size}")
        a, b = ((tmp_path / f"{name}{size}" / "tokenizer.json").read_bytes() for name in ("a", "b"))
        assert a == b
        assert len(load_tokenizer(tmp_path / f"a{size}")) <= size


def test_build_model_knows_label_names_and_dropout(data: PreparedData, saved: Callable[[str], Path]) -> None:
    model = TASK.build_model(config(checkpoint=str(saved("bert")), dropout=0.25), data)
    assert model.config.id2label == {0: "bad", 1: "good"}
    assert model.config.label2id == {"bad": 0, "good": 1}
    assert {part.p for part in model.modules() if isinstance(part, torch.nn.Dropout)} == {0.25}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"layers": 4}, "model.layers: 4 layers asked for, .* has 3"),
        ({"checkpoint": "nowhere/at/all"}, "neither a folder"),
        ({"architecture": {"model_type": "no-such"}}, "model.architecture: .* has no model type 'no-such'"),
        ({"architecture": {**BERT, "num_attention_heads": 3}}, "hidden size .16. is not a multiple"),
        ({"architecture": {"model_type": "vit"}}, "a vit model has no vocabulary: it does not take texts"),
    ],
)
def test_build_model_errors_are_one_line(
    data: PreparedData, saved: Callable[[str], Path], model: dict[str, object], said: str
) -> None:
    fields = model if "architecture" in model else {"checkpoint": str(saved("bert")), **model}
    with pytest.raises(CheckpointError, match=said) as caught:
        TASK.build_model(config(**fields), data)
    assert "\n" not in str(caught.value)


def test_build_model_refuses_weights_of_another_shape(data: PreparedData, saved: Callable[[str], Path]) -> None:
    folder = saved("bert")
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for change in ({"num_hidden_layers": 5}, {"intermediate_size": 64}):
        (folder / "config.json").write_text(json.dumps(settings | change), encoding="utf-8")
        with pytest.raises(CheckpointError, match=r"backbone tensors are missing .* do not belong together"):
            TASK.build_model(config(checkpoint=str(folder)), data)


def test_build_model_replaces_a_head_of_another_size(
    make_data: Callable[..., PreparedData], saved: Callable[[str], Path]
) -> None:
    three = make_data([(f"text {number}", "abc"[number % 3]) for number in range(30)])
    model = TASK.build_model(config(checkpoint=str(saved("bert"))), three)
    assert model.config.num_labels == 3
    assert model.classifier.weight.shape == (3, 16)


def test_a_folder_without_a_tokenizer_is_refused(data: PreparedData, saved: Callable[[str], Path]) -> None:
    folder = saved("bert")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(CheckpointError, match=r"has no tokenizer \(no tokenizer.json, vocab.txt\)"):
        TASK.build_model(config(checkpoint=str(folder)), data)


def test_a_tokenizer_larger_than_the_model_is_refused(data: PreparedData, saved: Callable[[str], Path]) -> None:
    folder, more = saved("bert"), 50
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens([f"new{number}" for number in range(200 - len(tokenizer) + more)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(CheckpointError, match="its tokenizer has 250 tokens, its model 200"):
        TASK.build_model(config(checkpoint=str(folder)), data)


def test_special_tokens_behind_the_vocabulary_are_named(data: PreparedData, saved: Callable[[str], Path]) -> None:
    folder = saved("bert")
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens([f"new{number}" for number in range(200 - len(tokenizer))])
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    tokenizer.save_pretrained(folder)
    with pytest.raises(
        CheckpointError, match=r"its model 200: pad_token '<pad>' added behind it; say in its tokenizer_"
    ):
        TASK.build_model(config(checkpoint=str(folder)), data)


def test_show_is_what_a_person_reads() -> None:
    assert TASK.show({"text": "a", "label": 1}) == "a"
    assert TASK.show({"text": "a", "text_pair": "b"}) == "a\nb"


def test_task_of_unknown_name() -> None:
    from harness.errors import InputError

    with pytest.raises(InputError, match="did you mean 'text-classification'"):
        task_of("text-clasification")
