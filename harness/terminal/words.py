"""Short texts about trials: names of params, states, and text without control characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.records.schema import BUDGET, TrialRecord, TrialState
from harness.report.kit.text import clip, param, param_name, percent, short_name
from harness.spec.mistakes import SHORT_NAMES

__all__ = ["column_name", "ending_of", "param_text", "params_line", "plain", "state_of", "why_early"]

_WIDTH = 32


def plain(text: object) -> str:
    """Returns the text without characters that move the cursor, or change colours or the writing direction."""
    return "\n".join(clip(line, 2000) for line in str(text).split("\n"))


def column_name(name: str) -> str:
    """learning_rate -> "lr"."""
    return SHORT_NAMES.get(name, param_name(name))


def param_text(name: str, value: Any) -> str:
    """Returns a value for a narrow column: learning rates as powers of ten, checkpoints without owner or folder."""
    text = param(value)
    if name == "learning_rate" and isinstance(value, float):
        digits, power = f"{value:.1e}".split("e")
        text = f"{digits.removesuffix('.0')}e{int(power)}"
    return clip(short_name(value) if name == "checkpoint" else text, _WIDTH)


def params_line(params: Mapping[str, Any]) -> str:
    """{"learning_rate": 1.5e-4, "batch_size": 16} -> "lr 1.5e-4, batch 16"."""
    line = ", ".join(f"{column_name(name)} {param_text(name, value)}" for name, value in params.items())
    return line or "nothing searched"


def state_of(record: TrialRecord) -> str:
    """Returns how a trial ended: "complete", "pruned at 25 %", "given up at 50 %" (lack of time), "failed: nan".

    One that patience has ended is "complete at 40 %".
    """
    if record.state is TrialState.PRUNED:
        how = "given up" if record.message == BUDGET else "pruned"
        return f"{how} at {percent(record.reached, 0)}"
    if record.state is TrialState.FAIL:
        return f"failed: {record.reason.value}" if record.reason else "failed"
    state = record.state.value.lower()
    return f"{state} at {percent(record.reached, 0)}" if record.out_of_patience else state


def ending_of(record: TrialRecord) -> str:
    """Returns how a trial ended, with the message of one that was pruned or that patience has ended."""
    state, why = state_of(record), why_early(record)
    return f"{state}: {why}" if why else state


def why_early(record: TrialRecord) -> str:
    """Returns why a trial ended early: at a rung, for lack of time or of patience; "" of any other, or if not known."""
    if record.state is TrialState.FAIL:
        return ""
    return "the budget ran out" if record.message == BUDGET else plain(record.message)
