"""The contract of tasks, for each that is built in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from harness.testing.tasks import TINY_BERT, TaskContract
from tests.tasks.drawn import drawn
from tests.tasks.tiny import RT_DETR, VIT

WORDS = ("tea", "soup", "bread", "cake", "rice", "fish")


def text(number: int) -> str:
    return " ".join([*(WORDS[number // 6**place % 6] for place in range(3)), *("and more of it",) * (number % 4)])


class TestTextClassification(TaskContract):
    task_name = "text-classification"

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        return [{"text": text(number), "label": ("good", "bad", "fair")[number % 3]} for number in range(90)]


class TestTextPairs(TaskContract):
    task_name = "text-classification"

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        pairs = [(text(number), text(7 * number + 1)) for number in range(90)]
        return [{"text": a, "text_pair": b, "label": ("yes", "no")[at % 2]} for at, (a, b) in enumerate(pairs)]


class TestMultiLabelClassification(TaskContract):
    task_name = "multi-label-classification"

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        named = ("hot", "cold", "sweet")
        sets = [[name for at, name in enumerate(named) if number % (at + 2) == 0] for number in range(90)]
        return [{"text": text(number), "labels": labels} for number, labels in enumerate(sets)]


class TestTokenClassification(TaskContract):
    task_name = "token-classification"

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        words = [text(number).split() for number in range(90)]
        tags = [["B-DRINK" if word == "tea" else "O" for word in row] for row in words]
        for number, row in enumerate(tags):
            if number % 3 == 0:
                row[:2] = ["B-DISH", "I-DISH"]
        return [{"words": row, "tags": of_row} for row, of_row in zip(words, tags, strict=True)]


class TestQuestionAnswering(TaskContract):
    task_name = "question-answering"
    options = {"doc_stride": 8, "max_answer": 3}

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        found = []
        for number in range(90):
            food = WORDS[number % 6]
            context = f"{text(number)} {number} were sold . anna asked for {food} {'and then more ' * (number % 9)}"
            answers = [] if number % 5 == 0 else [{"text": food, "answer_start": context.index(f"for {food}") + 4}]
            found.append({"question": f"what did anna ask for {number} ?", "context": context, "answers": answers})
        return found


class TestTextRegression(TaskContract):
    task_name = "text-regression"

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        return [{"text": text(number), "number": 100 + number % 7} for number in range(90)]


TINY_GPT2 = {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": 400}


class TestCompletions(TaskContract):
    task_name = "causal-lm"
    architecture = TINY_GPT2

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        return [{"prompt": f"{text(number)}?", "completion": text(3 * number)} for number in range(90)]


class TestDocuments(TaskContract):
    task_name = "causal-lm"
    architecture = TINY_GPT2

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        return [{"text": f"{number}: {text(number)}"} for number in range(90)]


class TestSourcesAndTargets(TaskContract):
    task_name = "seq2seq"
    architecture = {"model_type": "t5", "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2,
                    "vocab_size": 400}  # fmt: skip

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        return [{"source": f"{text(number)}?", "target": text(3 * number)} for number in range(90)]


class TestCopiesOfAnEncoder(TestSourcesAndTargets):
    architecture = {**TINY_BERT, "vocab_size": 400}


class TestRowsOfColumns(TaskContract):
    task_name = "click-through"
    architecture: ClassVar[Mapping[str, Any]] = {"model_type": "fields", "hidden_size": 4, "intermediate_size": 8}

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        return [
            {
                "user": f"u{number % 9}",
                "item": WORDS[number % 6],
                "categories": ["hot", "sweet"][: 1 + number % 2],
                "numbers": None if number % 11 == 0 else number % 7,
                "text": text(number),
                "label": int(number % 3 == 0 or number % 5 == 1),
            }
            for number in range(120)
        ]


class TestRowsAsTexts(TestRowsOfColumns):
    architecture = TINY_BERT
    options: ClassVar[Mapping[str, Any]] = {"template": "{user} sees ({categories}, {numbers}): {text}"}

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        """Without items: popularity ranks them, and a text checkpoint does not."""
        return [{name: value for name, value in row.items() if name != "item"} for row in super().rows()]


class TestImageClassification(TaskContract):
    task_name = "image-classification"
    architecture = VIT

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        images = [[[(number * (x + 1) + y) % 256 for x in range(6)] for y in range(6)] for number in range(60)]
        return [{"image": image, "label": ("a", "b")[number % 2]} for number, image in enumerate(images)]


class TestObjectDetection(TaskContract):
    task_name = "object-detection"
    architecture = RT_DETR
    options = {"height": 64, "width": 64}

    @classmethod
    def write_files(cls, folder: Path) -> None:
        for number in range(60):
            drawn(folder / "pictures", number)

    @classmethod
    def rows(cls) -> list[dict[str, Any]]:
        with TemporaryDirectory() as folder:
            return [drawn(Path(folder) / "pictures", number) for number in range(60)]
