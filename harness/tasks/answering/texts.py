"""The texts of question answering: contexts as arrays, the length of questions, and the code of a model card."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np

from harness.data.encoded import Ragged

__all__ = ["answer_code", "num_words", "utf8"]

#: A Chinese or Japanese character, or letters and digits in a row.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")


def utf8(texts: Sequence[str]) -> Ragged:
    """Returns the UTF-8 bytes of each text, ragged uint8."""
    parts = [text.encode("utf-8", "replace") for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return Ragged(values=np.frombuffer(b"".join(parts), dtype=np.uint8), offsets=offsets)


def num_words(texts: Sequence[str]) -> np.ndarray:
    """Returns how many words each text has [texts] int64; Chinese and Japanese characters count as words."""
    return np.array([len(_WORD.findall(text)) for text in texts], dtype=np.int64)


def answer_code(folder: str) -> str:
    """Returns Python code that answers a question with the model of `folder` and plain transformers."""
    return f"""import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({json.dumps(folder)})
model = AutoModelForQuestionAnswering.from_pretrained({json.dumps(folder)})
question, context = "Where is the key?", "The key to the shed is under the third pot."
inputs = tokenizer(question, context, return_offsets_mapping=True, return_tensors="pt")
offsets = inputs.pop("offset_mapping")[0].tolist()
outside = torch.tensor([part != 1 for part in inputs.sequence_ids(0)])
with torch.no_grad():
    output = model(**inputs)
starts, ends = (side[0].masked_fill(outside, -torch.inf) for side in (output.start_logits, output.end_logits))
scores = starts[:, None] + ends[None, :]
allowed = torch.ones_like(scores).triu().tril(model.config.max_answer - 1).bool()
start, end = divmod(int(scores.masked_fill(~allowed, -torch.inf).argmax()), len(offsets))
print(context[offsets[start][0] : offsets[end][1]].strip())
# a text longer than the model reads is cut into windows by harness predict"""
