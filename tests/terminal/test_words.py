"""Trials in a few characters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.schema import Progress, TrialState, record_of
from harness.terminal.words import column_name, ending_of, param_text, params_line, plain, state_of
from harness.testing.fakes import config


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


def test_trial_out_of_patience_says_how_far_it_came() -> None:
    last = Progress(number=0, step=3, total_steps=8, epoch=1, num_rows=10, metrics={"accuracy": 0.5}, train_loss=1)
    record = record_of(config(0), TrialState.COMPLETE, [last], message="ended after 2 evaluations")
    assert (state_of(record), ending_of(record)) == ("complete", "complete: ended after 2 evaluations")
    early = record_of(config(0), TrialState.COMPLETE, [last.model_copy(update={"out_of_patience": True})])
    assert state_of(early) == ending_of(early) == "complete at 38\u00a0%"


@given(st.text())
def test_plain_commands_no_terminal(text: str) -> None:
    assert not {"\x1b", "\x07", "\x08", "\r", "\x9b", "\u202e"} & set(plain(text))
