"""BERT-, GPT- and T5-like models on tiny random configurations, with a real tokenizer trained here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.data.prepared import PreparedData
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.tasks.models import quiet
from harness.training.trainable.freeze import repeated_blocks
from tests.tasks.tiny import ARCHITECTURES, architecture, config

TASK = task_of("text-classification")
FAMILIES = sorted(ARCHITECTURES)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_padding_does_not_matter(family: str, data: PreparedData, pairs: PreparedData) -> None:
    trial = config(architecture=architecture(family))
    for rows_of in (data, pairs):
        examples = encoded(rows_of, trial, "train")
        torch.manual_seed(0)
        model = TASK.build_model(trial, rows_of).eval()
        rows = np.array([examples.lengths.argmin(), examples.lengths.argmax(), 3])
        assert len(set(examples.lengths[rows].tolist())) == 3
        together = model(**TASK.collate(examples, rows)).logits
        alone = torch.cat([model(**TASK.collate(examples, rows[at : at + 1])).logits for at in range(3)])
        assert together.shape == (3, 2)
        assert together.dtype == torch.float32
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_first_layers_are_those_of_the_whole_model(
    family: str, data: PreparedData, saved: Callable[[str], Path]
) -> None:
    folder = str(saved(family))
    whole = TASK.build_model(config(checkpoint=folder), data)
    first = TASK.build_model(config(checkpoint=folder, layers=2), data)
    assert {len(stack) for stack in repeated_blocks(first)} == {2}
    assert first.config.num_hidden_layers == 2
    for stack in repeated_blocks(whole):
        del stack[2:]
    torch.testing.assert_close(first.state_dict(), whole.state_dict())
    inputs = TASK.collate(encoded(data, config(checkpoint=folder), "train"), np.arange(2))
    assert torch.isfinite(first(**inputs).logits).all()


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_saved_folder_works_with_a_plain_pipeline(
    family: str, data: PreparedData, saved: Callable[[str], Path]
) -> None:
    import transformers

    folder = saved(family)
    rows = data.frame("validation").to_dict("records")
    with quiet():
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
        pipeline = transformers.pipeline("text-classification", model=str(folder), device="cpu", top_k=None)
        answers = pipeline([row["text"] for row in rows])
    examples = TASK.predict_inputs(rows, folder, max_length=128)
    expected = model(**TASK.collate(examples, np.arange(len(rows)))).logits.softmax(-1)
    for answer, probabilities in zip(answers, expected, strict=True):
        given = {part["label"]: part["score"] for part in answer}
        assert given == pytest.approx(dict(zip(data.names, probabilities.tolist(), strict=True)), abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_predict_inputs_encodes_as_training_did(family: str, pairs: PreparedData, tmp_path: Path) -> None:
    trial = config(architecture=architecture(family), data={"max_length": 12, "preprocess": ["strip_punctuation"]})
    with quiet():
        TASK.build_model(trial, pairs).save_pretrained(tmp_path)
    TASK.write_processor(trial, pairs, tmp_path)
    expected = encoded(pairs, trial, "test")
    rows = pairs.frame("test").to_dict("records")
    found = TASK.predict_inputs(rows, tmp_path, 12, ["strip_punctuation"])
    assert list(found.fields) == list(expected.fields)
    at = np.arange(len(rows))
    torch.testing.assert_close(TASK.collate(found, at), TASK.collate(expected, at))


def test_t5_rows_end_with_one_end_token_even_when_the_text_spells_it(
    make_data: Callable[..., PreparedData],
) -> None:
    rows = [(f"well [SEP] here </s> it is {number} " + "on and on " * number, str(number % 2)) for number in range(20)]
    mine = make_data(rows)
    trial = config(architecture=architecture("t5"), data={"max_length": 16})
    model = TASK.build_model(trial, mine)
    examples = encoded(mine, trial, "train")
    assert 0 < examples.stats["truncated_fraction"] < 1
    inputs = TASK.collate(examples, np.arange(len(examples)))
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    assert ((ids == model.config.eos_token_id).sum(1) == 1).all()
    assert (ids.gather(1, mask.sum(1, keepdim=True) - 1) == model.config.eos_token_id).all()


def test_gpt2_tokenizer_without_a_pad_token_pads_with_its_end_token(
    data: PreparedData, saved: Callable[[str], Path]
) -> None:
    folder = saved("gpt2")
    byte_level(folder)
    trial = config(checkpoint=str(folder), data={"preprocess": ["strip_punctuation"]})
    model = TASK.build_model(trial, data)
    examples = encoded(data, trial, "train")
    assert model.config.pad_token_id == examples.stats["pad_token_id"] == 0
    # A text that cleaning leaves nothing of is still one token long.
    nothing = TASK.predict_inputs([{"text": "?!"}, {"text": "tea"}], folder, 8, ["strip_punctuation"])
    assert nothing.lengths[0] == 1
    assert torch.isfinite(model(**TASK.collate(nothing, np.arange(2))).logits).all()


def byte_level(folder: Path) -> None:
    """Puts a tokenizer like GPT-2's into the folder: bytes, an end token, no pad token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())[:199]
    vocabulary = {"<|endoftext|>": 0} | {letter: number for number, letter in enumerate(letters, start=1)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    for path in folder.glob("tokenizer*"):
        path.unlink()
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, bos_token=end, unk_token=end).save_pretrained(
        folder
    )
