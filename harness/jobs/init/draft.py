"""Makes a small study of a table: which model to begin with, how long texts are, and what to search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.data.checkpoints import PACKAGED
from harness.data.clean import is_cjk
from harness.jobs.init.looks import sampled
from harness.jobs.init.match import Match

__all__ = ["draft_of", "family_of"]

#: Texts of which 95 % are shorter than `max_length` are cut no more often than it pays; between these bounds.
SHORTEST, LONGEST = 32, 256
#: Tokens that a word has on average in a vocabulary of word pieces.
TOKENS_A_WORD = 1.4
#: More rows than that are not needed to choose params; the winner can be trained on all.
MANY_ROWS = 20_000
#: Small models from random weights, where no checkpoint is at hand, by the family of the model.
SCRATCH: dict[str, dict[str, Any]] = {
    "encoder": {"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                "intermediate_size": 128, "vocab_size": 4000, "max_position_embeddings": 512},
    "decoder": {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 4000,
                "max_position_embeddings": 512, "tie_word_embeddings": True},
    "pair": {"model_type": "t5", "d_model": 64, "d_kv": 32, "d_ff": 128, "num_layers": 2, "num_heads": 2,
             "vocab_size": 4000},
    "image": {"model_type": "vit", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
              "intermediate_size": 128},
}  # fmt: skip
#: The checkpoint of an installed package to begin with, by family.
FIRST = {
    "encoder": "sentence-transformers/all-MiniLM-L6-v2",
    "pair": "sentence-transformers/all-MiniLM-L6-v2",
    "decoder": "HuggingFaceTB/SmolLM2-135M-Instruct",
}


def family_of(match: Match) -> str:
    """Returns the family of models that fit the kinds of the task's fields."""
    kinds = {field.kind for field in match.facts.fields}
    if "image" in kinds:
        return "image"
    if kinds & {"prompt", "messages", "document"}:
        return "decoder"
    return "pair" if "completion" in kinds else "encoder"


def draft_of(match: Match, table: str, columns: dict[str, list[Any]], *, checkpoint: str | None) -> dict[str, Any]:
    """Returns the study as plain values, in the order in which it is written.

    Args:
        match: the task and its columns.
        table: the path of the table, as the study names it.
        columns: the values of train, by column.
        checkpoint: the model; None for one of an installed package, or a small one from random weights.
    """
    model = _model(match, checkpoint)
    is_scratch = model["checkpoint"] == "scratch"
    rows = len(next(iter(columns.values())))
    data = {"path": table, **_columns(match), "max_length": _max_length(match, columns)}
    if rows > MANY_ROWS:
        data["train_rows"] = MANY_ROWS
    rates = {"low": 3e-4, "high": 1e-2, "log": True} if is_scratch else {"low": 1e-5, "high": 5e-4, "log": True}
    training = {"learning_rate": rates, "batch_size": [8, 16] if rows < 1000 else [16, 32], "epochs": 3}
    return {
        "name": re.sub(r"[^A-Za-z0-9._-]+", "-", Path(table).name.partition(".")[0]).strip("-")[:64] or "mine",
        "task": match.facts.name,
        "data": data,
        "model": model,
        "training": training,
        "search": {"trials": 8 if rows < 1000 else 12},
        "budget": {"minutes": 30},
        "confirm": {"top": 2, "seeds": 2},
    }


def _columns(match: Match) -> dict[str, Any]:
    """Returns the keys of `data` that name columns; short forms where every field has one."""
    if match.facts.layouts:
        return {"columns": {name: list(c) if isinstance(c, tuple) else c for name, c in match.columns.items()}}
    keys: dict[str, Any] = {}
    for name, column in match.columns.items():
        short = match.facts.field(name).short
        if short and isinstance(column, str):
            keys[short] = column
        else:
            keys.setdefault("columns", {})[name] = list(column) if isinstance(column, tuple) else column
    if match.separator:
        keys["label_separator"] = match.separator
    return keys


def _model(match: Match, checkpoint: str | None) -> dict[str, Any]:
    family = family_of(match)
    first = FIRST.get(family)
    if checkpoint is None and first and find_spec(PACKAGED[first].module) is not None:
        checkpoint = first
    if checkpoint in (None, "scratch"):
        return {"checkpoint": "scratch", "architecture": SCRATCH[family]}
    return {"checkpoint": checkpoint}


def _max_length(match: Match, columns: dict[str, list[Any]]) -> int:
    """Returns a length in tokens that about 95 % of the rows keep: a multiple of 16."""
    names = [part for column in match.columns.values() for part in ((column,) if isinstance(column, str) else column)]
    samples = [sampled(columns[name]) for name in names if name in columns]
    rows = [sum(_tokens(value) for value in values) for values in zip(*samples, strict=False)]
    longest = sorted(rows)[int(0.95 * (len(rows) - 1))] if rows else 0
    return min(LONGEST, max(SHORTEST, -(-int(longest) // 16) * 16))


def _tokens(value: Any) -> float:
    """Returns about how many tokens a text, or the texts in a value, have."""
    if isinstance(value, str):
        wide = sum(map(is_cjk, value))
        return wide + TOKENS_A_WORD * len([word for word in value.split() if not is_cjk(word[0])])
    items: Sequence[Any] = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(_tokens(item) for item in items)
