"""The losses of a few tiny trainings, to the bit: two versions of the code that train alike print the same lines.

Usage: python benchmarks/losses.py [--json FILE] [NAME ...]

A line is `CASE step STEP NAME HEX DECIMAL`; NAME is `train_loss` (the mean since the evaluation before) or `log_loss`
(on validation). One CPU thread, fixed seeds, no network; texts, vocabulary and checkpoint are made in a temporary
folder. On one machine with the same libraries the values are equal to the bit; elsewhere they differ by rounding.

The script knows the trial as JSON and calls `prepare` and `run_trial`, nothing below them, so that it runs unchanged
while the code under these two is rebuilt.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.data.prepare import prepare
from harness.records.schema import Place
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.spec.trial import TrialConfig
from harness.training.host import Host
from harness.trial import run_trial

__all__ = ["CASES", "Loss", "Material", "losses_of"]

#: Stands for the folder of the tiny BERT.
TINY = "TINY"

TRAINING: Mapping[str, Any] = {
    "learning_rate": 5e-3,
    "batch_size": 16,
    "epochs": 6.0,
    "weight_decay": 0.01,
    "warmup_fraction": 0.1,
    "schedule": "linear",
    "precision": "fp32",
    "max_grad_norm": 1.0,
    "label_smoothing": 0.0,
    "class_weights": "none",
    "accumulation_steps": 1,
    "seed": 3,
}
#: Fewer and smaller steps, so that other processors, which round otherwise, stay within a hundredth.
BF16: Mapping[str, Any] = {"precision": "bf16", "epochs": 3.0, "learning_rate": 2e-3}
#: Weights large enough for a model this small to tell its inputs apart.
WIDE = {"initializer_range": 0.2}
SIZE = {**WIDE, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
BERT = {**SIZE, "model_type": "bert", "vocab_size": 120, "max_position_embeddings": 32}
GPT2 = {**WIDE, "model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 120, "n_positions": 32}
VIT = {**SIZE, "model_type": "vit", "patch_size": 2}
#: After which shares of the training there is an evaluation, and on how many rows: the first three steps, then more.
EVALUATE_AT = (1 / 36, 2 / 36, 3 / 36, 1 / 6, 1 / 3, 2 / 3, 1.0)
VALIDATION_ROWS = (8, None, None, None, None, None, None)


def text_case(*, model: Mapping[str, Any] | None = None, data: Mapping[str, Any] | None = None, **training: Any) -> Any:
    """A trial of the tiny BERT on the made-up texts, as JSON."""
    return {
        "number": 0,
        "task": "text-classification",
        "data": {"max_length": 24, **(data or {})},
        "model": {"checkpoint": TINY, **(model or {})},
        "training": {**TRAINING, **training},
        "evaluate_at": EVALUATE_AT,
        "validation_rows": VALIDATION_ROWS,
    }


def image_case(*, model: Mapping[str, Any] | None = None, **training: Any) -> Any:
    """A trial of a tiny ViT with new weights on 96 of scikit-learn's digits, as JSON."""
    return {
        **text_case(model={"checkpoint": "scratch", "architecture": VIT, **(model or {})}, **training),
        "task": "image-classification",
        "data": {"train_rows": 96},
    }


CASES: Mapping[str, Any] = {
    "bert-fp32": text_case(),
    "bert-bf16": text_case(**BF16),
    "bert-freeze-embeddings": text_case(model={"freeze": "embeddings"}),
    "bert-freeze-2": text_case(model={"freeze": 2}),
    "bert-freeze-2-bf16": text_case(model={"freeze": 2}, **BF16),
    "bert-freeze-2-no-dropout": text_case(model={"freeze": 2, "frozen_dropout": False}),
    "bert-freeze-backbone-no-dropout": text_case(model={"freeze": "backbone", "frozen_dropout": False}),
    "bert-accumulation-4": text_case(accumulation_steps=4, epochs=3.0),
    "bert-accumulation-2-bf16": text_case(accumulation_steps=2, **BF16),
    "bert-smoothing-balanced": text_case(label_smoothing=0.1, class_weights="balanced"),
    "bert-other-recipe": text_case(
        model={"layers": 2, "dropout": 0.0},
        data={"preprocess": ["lowercase", "strip_punctuation"], "augment": ["swap"], "train_rows": 40},
        learning_rate=3e-3,
        schedule="cosine",
        max_grad_norm=None,
        weight_decay=0.1,
        warmup_fraction=0.0,
    ),
    "bert-adafactor": text_case(optimizer="adafactor", learning_rate=2e-2),
    "bert-adafactor-bf16": text_case(optimizer="adafactor", **BF16),
    "bert-sgd": text_case(optimizer="sgd", learning_rate=5e-2),
    "bert-sgd-accumulation-2-bf16": text_case(
        optimizer="sgd", accumulation_steps=2, **(BF16 | {"learning_rate": 2e-2})
    ),
    "bert-layer-decay": text_case(layer_decay=0.8),
    "bert-layer-decay-bf16": text_case(layer_decay=0.8, **BF16),
    "scratch-bert-fp32": text_case(model={"checkpoint": "scratch", "architecture": BERT}),
    "scratch-gpt2-fp32": text_case(model={"checkpoint": "scratch", "architecture": GPT2}),
    "vit-fp32": image_case(),
    "vit-bf16": image_case(**BF16),
    "vit-freeze-2-no-dropout": image_case(model={"freeze": 2, "frozen_dropout": False}),
    "bert-regression": text_case() | {"task": "text-regression"},
}

SUBJECTS = ("tea", "coffee", "the green soup", "a bowl of hot noodles", "bread", "the cake that my sister made")
VERBS = {
    "good": ("pleased me", "was a joy", "won me over", "is worth the money"),
    "bad": ("was cold", "let me down, twice", "went in the bin"),
    "unsure": ("is neither here nor there", "may grow on me"),
}
ENDS = (".", " on my birthday in the cold month of May")
#: In the vocabulary, in no text: rows of the word embeddings that no step needs.
UNSEEN = ("salt", "pepper", "mustard", "vinegar", "honey")


def texts() -> list[tuple[str, str]]:
    """108 short texts with their labels; the classes have 48, 36 and 24."""
    return [
        (f"{subject} {verb}{end}", label)
        for label, verbs in VERBS.items()
        for verb in verbs
        for subject in SUBJECTS
        for end in ENDS
    ]


@dataclass(frozen=True)
class Material:
    """What the cases train on; everything is made under `folder` when it is first asked for."""

    folder: Path

    @cached_property
    def texts(self) -> Path:
        """The prepared texts."""
        table = self.folder / "texts.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *texts()])
        return self._prepared("text-classification", {"path": str(table)})

    @cached_property
    def lengths(self) -> Path:
        """The prepared texts, with their numbers of letters as targets."""
        table = self.folder / "lengths.csv"
        rows = [(text, sum(map(str.isalpha, text))) for text, _ in texts()]
        with table.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
        return self._prepared("text-regression", {"path": str(table)})

    @cached_property
    def digits(self) -> Path:
        """The prepared digits."""
        return self._prepared("image-classification", {"builtin": "digits"})

    def _prepared(self, task: str, data: Mapping[str, Any]) -> Path:
        study = {"name": "losses", "task": task, "data": data, "model": {"checkpoint": "none"}}
        return prepare(StudySpec.model_validate(study), self.folder / "cache").folder

    @cached_property
    def checkpoint(self) -> Path:
        """A BERT of random weights, with a tokenizer of whole words."""
        import torch
        from transformers import BertConfig, BertModel

        folder = self.folder / "bert"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            _save(BertModel(BertConfig(**BERT)), folder)
        _write_tokenizer(folder)
        return folder


def _save(model: Any, folder: Path) -> None:
    """Writes a checkpoint without a progress bar."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.save_pretrained(folder)


def _write_tokenizer(folder: Path) -> None:
    """Writes a tokenizer whose vocabulary is the words of the texts, in order of the alphabet."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    text = " ".join(text for text, _ in texts()).lower().replace(".", " . ").replace(",", " , ")
    words = [*named.values(), *sorted({*text.split(), *UNSEEN})]
    numbers = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token=named["unk_token"]))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    marks = [(token, numbers[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=32, model_input_names=inputs, **named
    )
    wrapped.save_pretrained(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One number of one evaluation."""

    case: str
    step: int
    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.case} step {self.step} {self.name} {self.value.hex()} {self.value:.9g}"


def losses_of(case: str, material: Material) -> Iterator[Loss]:
    """Trains one case from the checkpoint's files, and gives two losses an evaluation."""
    trial = CASES[case]
    data = {"text-classification": "texts", "text-regression": "lengths", "image-classification": "digits"}
    if trial["model"]["checkpoint"] == TINY:
        trial = trial | {"model": trial["model"] | {"checkpoint": str(material.checkpoint)}}
    config = TrialConfig.model_validate_json(json.dumps(trial))
    host = Host(place=Place(node="here", device="cpu", slot=0, threads=1))
    for pause in run_trial(config, str(getattr(material, data[config.task])), host):
        progress = pause.progress
        yield Loss(case=case, step=progress.step, name="train_loss", value=progress.train_loss)
        name = facts_of(config.task).loss
        yield Loss(case=case, step=progress.step, name=name, value=progress.metrics[name])


def as_json(losses: Sequence[Loss]) -> str:
    """By case a list of [step, name, hexadecimal, decimal], one a line."""
    rows: dict[str, list[str]] = {}
    for loss in losses:
        row = json.dumps([loss.step, loss.name, loss.value.hex(), loss.value])
        rows.setdefault(loss.case, []).append(row)
    cases = [f" {json.dumps(case)}: [\n  " + ",\n  ".join(found) + "\n ]" for case, found in rows.items()]
    return "{\n" + ",\n".join(cases) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"cases to train (default: all): {', '.join(CASES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the losses here too")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in CASES]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    losses = []
    with tempfile.TemporaryDirectory(prefix="losses-") as folder:
        os.environ["HARNESS_CACHE"] = folder
        material = Material(Path(folder))
        for case in asked.names or CASES:
            for loss in losses_of(case, material):
                losses.append(loss)
                print(loss, flush=True)
    if asked.json:
        asked.json.write_text(as_json(losses), encoding="utf-8")


if __name__ == "__main__":
    main()
