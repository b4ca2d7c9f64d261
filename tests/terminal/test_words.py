"""Trials in a few characters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.terminal.words import column_name, param_text, params_line, plain


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("learning_rate", 1.5e-4, "1.5e-4"),
        ("learning_rate", 0.003, "3e-3"),
        ("batch_size", 16, "16"),
        ("weight_decay", 0.0363, "0.0363"),
        ("checkpoint", "sentence-transformers/all-MiniLM-L6-v2#layers=3", "all-MiniLM-L6-v2#layers=3"),
        ("preprocess", ("nfkc", "lowercase"), "nfkc, lowercase"),
        ("layers", None, "none"),
    ],
)
def test_param_text(name: str, value: Any, text: str) -> None:
    assert param_text(name, value) == text


def test_params_line_uses_short_names() -> None:
    assert params_line({"learning_rate": 5e-5, "warmup_fraction": 0.1}) == "lr 5e-5, warmup 0.1"
    assert params_line({}) == "nothing searched"
    assert column_name("evaluations_per_epoch") == "evaluations per epoch"


@given(st.text())
def test_plain_commands_no_terminal(text: str) -> None:
    assert not {"\x1b", "\x07", "\x08", "\r", "\x9b", "\u202e"} & set(plain(text))
