"""Steady steps of Hugging Face's Trainer with its defaults on tags, answers and completions: samples a second.

Usage: python benchmarks/peers/hf_trainer_tasks.py TASK DATA CHECKPOINT [--batch-size 8] [--max-length 128]

TASK is token-classification (JSON lines with tokens and tags), question-answering (question, context, answers with
text and start) or causal-lm (prompt and completion, asked by the tokenizer's chat template). A batch is padded to its
longest row. Of answers, a sample is a window of the context.

Needs: pip install '.[peers]'
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers.stopwatch import Stopwatch
from peers.tables import SEED, quiet, say

Rows = list[dict[str, Any]]
IGNORED = -100
DOC_STRIDE = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("data", type=Path, help="folder with train.jsonl")
    parser.add_argument("checkpoint", help="folder of a pretrained model")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--rows", type=int, default=None, help="of the training split; default: all")
    parser.add_argument("--seconds", type=float, default=40.0, help="how long steps are timed")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    asked = parser.parse_args()
    quiet()
    lines = (asked.data / "train.jsonl").read_text(encoding="utf-8").splitlines()[: asked.rows]
    say(_timed(asked, [json.loads(line) for line in lines]), asked.out)


def _timed(asked: argparse.Namespace, rows: Rows) -> dict[str, Any]:
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(asked.checkpoint)
    encode, model_of, collator = TASKS[asked.task]
    encoded = encode(rows, tokenizer, asked.max_length)
    with tempfile.TemporaryDirectory(prefix="hf-task-") as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            num_train_epochs=10**4,
            per_device_train_batch_size=asked.batch_size,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=not torch.accelerator.is_available(),
            bf16=asked.precision == "bf16",
            seed=SEED,
        )
        trainer = transformers.Trainer(
            model=model_of(asked.checkpoint, rows),
            args=arguments,
            train_dataset=encoded,
            data_collator=collator(tokenizer),
        )
        watch = Stopwatch(asked.seconds, warm_steps=3, warm_s=2.0, least=3, most=10**6)
        trainer.add_callback(watch)
        trainer.train()
    times = watch.steps_s
    return {
        "peer": "hf-trainer",
        "task": asked.task,
        "precision": asked.precision,
        "batch_size": asked.batch_size,
        "samples": len(encoded),
        "tokens_per_sample": sum(len(row["input_ids"]) for row in encoded) / len(encoded),
        "samples_per_second": asked.batch_size * len(times) / sum(times),
        "step_ms": 1000 * median(times),
        "steps": len(times),
    }


def _tags(rows: Rows) -> list[str]:
    return sorted({tag for row in rows for tag in row["tags"]})


def _encode_tags(rows: Rows, tokenizer: Any, max_length: int) -> Rows:
    ids, encoded = {tag: at for at, tag in enumerate(_tags(rows))}, []
    for row in rows:
        found = tokenizer(row["tokens"], is_split_into_words=True, truncation=True, max_length=max_length)
        words = found.word_ids()
        firsts = [word is not None and word != before for word, before in zip(words, [None, *words[:-1]], strict=True)]
        labels = [ids[row["tags"][word]] if first else IGNORED for word, first in zip(words, firsts, strict=True)]
        encoded.append({**found, "labels": labels})
    return encoded


def _encode_answers(rows: Rows, tokenizer: Any, max_length: int) -> Rows:
    encoded = []
    for row in rows:
        found = tokenizer(
            row["question"], row["context"], truncation="only_second", max_length=max_length, stride=DOC_STRIDE,
            return_overflowing_tokens=True, return_offsets_mapping=True,
        )  # fmt: skip
        answer = row["answers"][0] if isinstance(row["answers"], list) else row["answers"]
        start = answer["start"] if "start" in answer else answer["answer_start"][0]
        text = answer["text"] if isinstance(answer["text"], str) else answer["text"][0]
        for at, ids in enumerate(found["input_ids"]):
            places = list(zip(found.sequence_ids(at), found["offset_mapping"][at], strict=True))
            inside = [token for token, (part, (low, high)) in enumerate(places)
                      if part == 1 and low < start + len(text) and high > start]  # fmt: skip
            window = [token for token, (part, _) in enumerate(places) if part == 1]
            is_whole = bool(inside) and places[window[0]][1][0] <= start and (
                places[window[-1]][1][1] >= start + len(text)
            )  # fmt: skip
            first, last = (inside[0], inside[-1]) if is_whole else (0, 0)
            encoded.append({"input_ids": ids, "start_positions": first, "end_positions": last})
    return encoded


def _encode_chats(rows: Rows, tokenizer: Any, max_length: int) -> Rows:
    encoded = []
    for row in rows:
        asked = [{"role": "user", "content": row["prompt"]}]
        answered = [*asked, {"role": "assistant", "content": row["completion"]}]
        prompt = tokenizer(tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True))
        whole = tokenizer(tokenizer.apply_chat_template(answered, tokenize=False))["input_ids"][:max_length]
        begin = len(prompt["input_ids"])
        encoded.append({"input_ids": whole, "labels": [IGNORED] * begin + whole[begin:]})
    return encoded


def _tagger(checkpoint: str, rows: Rows) -> Any:
    from transformers import AutoModelForTokenClassification

    return AutoModelForTokenClassification.from_pretrained(checkpoint, num_labels=len(_tags(rows)))


def _reader(checkpoint: str, rows: Rows) -> Any:
    from transformers import AutoModelForQuestionAnswering

    return AutoModelForQuestionAnswering.from_pretrained(checkpoint)


def _writer(checkpoint: str, rows: Rows) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(checkpoint)


def _padding_labels(tokenizer: Any) -> Any:
    from transformers import DataCollatorForTokenClassification

    return DataCollatorForTokenClassification(tokenizer)


def _padding(tokenizer: Any) -> Any:
    from transformers import DataCollatorWithPadding

    return DataCollatorWithPadding(tokenizer)


Encode = Callable[[Rows, Any, int], Rows]
TASKS: Mapping[str, tuple[Encode, Callable[[str, Rows], Any], Callable[[Any], Any]]] = {
    "token-classification": (_encode_tags, _tagger, _padding_labels),
    "question-answering": (_encode_answers, _reader, _padding),
    "causal-lm": (_encode_chats, _writer, _padding_labels),
}


if __name__ == "__main__":
    main()
