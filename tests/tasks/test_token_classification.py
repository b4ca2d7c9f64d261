"""A tag a word: tokens and first pieces, the loss, words that are cut, baselines, and predictions with their places."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from harness.data.encoded import Ragged
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.spec.study import DataSpec, ModelSpec, StudySpec
from harness.tasks import task_of
from harness.tasks.encode import baselines, encoded, facts
from harness.tasks.models import quiet
from harness.tasks.tagging import word_pieces
from harness.tasks.tagging.word_pieces import FIRST_PIECES, encode_words, load_word_tokenizer, placed_words
from tests.tasks.tiny import architecture, config

TASK: Any = task_of("token-classification")
FIRST, LAST = ("Mira", "Tom", "Anna", "Nadia"), ("Vale", "Berg", "Lund", "Korr")
CPU = torch.device("cpu")


def rows(count: int = 120) -> list[dict[str, Any]]:
    found = []
    for at in range(count):
        name = [FIRST[at % 4], LAST[at // 4 % 4]] if at % 3 else [FIRST[at % 4]]
        words = ["we", "saw", *name, "on", f"day{at}", *["again"] * (at % 5), "."]
        tags = ["O", "O", "B-PER", *["I-PER"] * (len(name) - 1), *["O"] * (len(words) - 2 - len(name))]
        found.append({"words": words, "tags": tags})
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("tags")
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, rows())), encoding="utf-8")
    study = StudySpec(
        name="s", task=TASK.facts.name, data=DataSpec(path=str(folder / "t.jsonl")), model=ModelSpec(checkpoint="x")
    )
    return prepare(study, folder / "cache")


def trial(family: str = "bert", **data: Any) -> Any:
    return config(TASK.facts.name, data=data, architecture=architecture(family))


def model_of(data: PreparedData, family: str = "bert") -> Any:
    torch.manual_seed(0)
    with quiet():
        return TASK.build_model(trial(family), data).eval()


def ragged(array: Any) -> Ragged:
    assert isinstance(array, Ragged)
    return array


def test_first_piece_of_a_word_has_its_tag(data: PreparedData) -> None:
    examples = encoded(data, trial(), "train")
    tokenizer = TASK.load_tokenizer(TASK.processor_folder(trial(), data))
    frame, chosen = data.frame("train"), np.arange(5)
    ids, labels = TASK.collate(examples, chosen)["input_ids"], TASK.targets(examples, chosen)["tags"]
    assert labels.shape == ids.shape
    for at in chosen:
        batch = tokenizer([frame["words"][at].tolist()], is_split_into_words=True)
        word_ids = batch.word_ids(0)
        assert ids[at, : len(word_ids)].tolist() == batch["input_ids"][0]
        expected = [-100] * ids.shape[1]
        for place, word in enumerate(word_ids):
            if word is not None and word != word_ids[place - 1]:
                expected[place] = int(frame["tags"][at][word])
        assert labels[at].tolist() == expected


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "gpt2"])
def test_loss_is_that_of_a_plain_transformers_loop(family: str, data: PreparedData) -> None:
    model, examples, chosen = model_of(data, family), encoded(data, trial(family), "train"), np.arange(8)
    loss = TASK.make_loss(trial(family), data, examples, chosen, CPU)
    inputs, targets = TASK.collate(examples, chosen), TASK.targets(examples, chosen)
    ours = float(loss(model(**inputs), targets).detach()) / loss.weight(chosen)
    theirs = float(model(**inputs, labels=targets["tags"]).loss.detach())
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert loss.weight(chosen) == sum(len(tags) for tags in data.frame("train")["tags"][:8])


def test_words_beyond_the_length_are_said_and_count_as_outside(data: PreparedData) -> None:
    cut = trial(max_length=5)
    examples = encoded(data, cut, "validation")
    assert (ragged(examples.fields[FIRST_PIECES]).values < 0).any()
    lines = facts(data, cut)
    assert any("validation: " in line and "beyond 5 tokens (data.max_length)" in line for line in lines)
    model, chosen = model_of(data), np.arange(4)
    inputs = TASK.collate(examples, chosen)
    assert set(inputs) == {"input_ids", "attention_mask"}
    with torch.no_grad():
        found = TASK.of_rows(TASK.outputs(model(**inputs), inputs), examples, chosen)["probabilities"]
    first = ragged(examples.fields[FIRST_PIECES]).take(chosen)
    assert found.offsets.tolist() == ragged(TASK.row_targets(data.frame("validation"))["tags"]).offsets[:5].tolist()
    assert np.allclose(found.values[first.values < 0], 1 / 3)
    assert (found.values[first.values < 0].argmax(axis=1) == 0).all()


def test_padding_on_the_left_moves_the_tags(data: PreparedData) -> None:
    examples = encoded(data, trial(), "train")
    right = TASK.targets(examples, np.arange(4))["tags"]
    left = TASK.targets(
        type(examples)(**{**{name: getattr(examples, name) for name in ("fields", "targets", "lengths", "row_of")},
                          "stats": {**examples.stats, "padding": "left"}}), np.arange(4)
    )["tags"]  # fmt: skip
    lengths = examples.lengths[:4]
    for row, length in enumerate(lengths):
        assert left[row, left.shape[1] - length :].tolist() == right[row, :length].tolist()


def test_a_tokenizer_without_word_ids_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(word_pieces, "load_tokenizer", lambda folder: SimpleNamespace(is_fast=False))
    with pytest.raises(CheckpointError, match="does not say which tokens a word has"):
        load_word_tokenizer(tmp_path)


def test_bytes_of_gpt2_begin_with_a_space(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Tokenizer

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    raw.train_from_iterator(
        ["some tea and soup and bread"] * 9, trainers.BpeTrainer(vocab_size=300, special_tokens=["<e>"])
    )
    raw.model.save(str(tmp_path))
    GPT2Tokenizer.from_pretrained(tmp_path, eos_token="<e>", pad_token="<e>", unk_token="<e>").save_pretrained(tmp_path)
    tokenizer = load_word_tokenizer(tmp_path)
    fields, stats = encode_words(tokenizer, [["tea", "and", "soup"]], 16)
    assert ragged(fields[FIRST_PIECES]).values.tolist() == [0, 1, 2], "a word is one token, as within a text"
    assert stats["cut_words"] == 0


def test_baselines_find_names(data: PreparedData) -> None:
    fitted, targets = baselines(data, TASK.facts.name, None, ["validation", "test"])
    assert list(fitted) == ["longest match of training entities", "logistic regression on windows of words"]
    for outputs in fitted.values():
        assert TASK.metrics(outputs["test"], targets["test"])["entity_f1"] > 0.6
    chance = TASK.chance(data)
    assert chance["entity_f1"] == 0
    assert chance["token_accuracy"] > 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Tom's tea-cup, 3.5 l", ["Tom", "'", "s", "tea", "-", "cup", ",", "3", ".", "5", "l"]),
        ("他在北京 ok", ["他", "在", "北", "京", "ok"]),
        (["a b", "c"], ["a b", "c"]),
        ('["x", "y z"]', ["x", "y z"]),
        ("[1, 2]", ["[", "1", ",", "2", "]"]),
        ("", []),
    ],
)
def test_a_sentence_is_cut_into_words_with_their_places(text: Any, words: list[str]) -> None:
    placed = placed_words(text)
    assert [word for word, _, _ in placed] == words
    whole = text if isinstance(text, str) and "x" not in text else " ".join(words)
    assert all(whole[start:end] == word for word, start, end in placed)


def test_a_prediction_has_the_places_of_its_entities() -> None:
    values = np.array([[0.9, 0.1, 0], [0.1, 0.9, 0], [0.2, 0.1, 0.7], [1, 0, 0]], dtype=np.float32)
    outputs = {"probabilities": Ragged(values=values, offsets=np.array([0, 4]))}
    prediction = TASK.predict(outputs, 0, ("O", "B-PER", "I-PER"))
    assert prediction["tags"] == ["O", "B-PER", "I-PER", "O"]
    found = TASK.located(prediction, {"words": "saw Mira  Vale."})["entities"]
    assert found == [{"text": "Mira  Vale", "type": "PER", "start": 4, "end": 14, "score": pytest.approx(0.8)}]
    listed = TASK.located(prediction, {"words": ["saw", "Mira", "Vale", "."]})["entities"]
    assert (listed[0]["text"], listed[0]["start"]) == ("Mira Vale", 4)


def test_a_model_that_finds_nothing_is_told() -> None:
    nothing = {"probabilities": Ragged(values=np.array([[0.9, 0.1, 0.0]]), offsets=np.array([0, 1]))}
    assert TASK.answer_warnings(nothing, {}, ()) == ["The model finds no entity in any test row."]
