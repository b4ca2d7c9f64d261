"""What `--require` takes, and what it refuses before anything is trained."""

from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.spec.requirement import Requirement, parse_requirements
from harness.spec.tasks import TASKS

FACTS = TASKS["text-classification"]


def parsed(text: str, task: str = "text-classification") -> Requirement:
    (requirement,) = parse_requirements([text], TASKS[task])
    return requirement


@pytest.mark.parametrize(
    ("text", "name", "part", "operator", "limit"),
    [
        ("accuracy >= 0.9", "accuracy", "value", ">=", 0.9),
        ("accuracy>.9", "accuracy", "value", ">", 0.9),
        ("  accuracy  >=  90% ", "accuracy", "value", ">=", 0.9),
        ("macro_f1 >= 83.3 %", "macro_f1", "value", ">=", 0.833),
        ("macro_f1 >= 83.3\u00a0%", "macro_f1", "value", ">=", 0.833),
        ("accuracy.low >= 0.85", "accuracy", "low", ">=", 0.85),
        ("log_loss.high < 1", "log_loss", "high", "<", 1.0),
        ("log_loss <= 3e-1", "log_loss", "value", "<=", 0.3),
        ("mcc > -0.5", "mcc", "value", ">", -0.5),
        ("samples_per_second >= 1E3", "samples_per_second", "value", ">=", 1000.0),
        ("peak_memory_mib <= 2000", "peak_memory_mib", "value", "<=", 2000.0),
        ("accuracy >= 1", "accuracy", "value", ">=", 1.0),
        ("accuracy <= 99.5%", "accuracy", "value", "<=", 0.995),
    ],
)
def test_requirement_is_read(text: str, name: str, part: str, operator: str, limit: float) -> None:
    requirement = parsed(text)
    assert (requirement.metric.name, requirement.part) == (name, part)
    assert (requirement.operator, requirement.limit) == (operator, limit)


def test_requirement_is_written_in_one_way() -> None:
    assert parsed("  accuracy>=  90 % ").text == "accuracy >= 90%"


@pytest.mark.parametrize(
    "text",
    ["", "accuracy", "accuracy 0.9", "accuracy >=", ">= 0.9", "0.9 <= accuracy", "accuracy == 0.9", "accuracy = 0.9",
     "accuracy => 0.9", "accuracy != 0.9", "accuracy >== 0.9", "accuracy >= high", "accuracy >= nan", "accuracy >= inf",
     "accuracy >= 0,9", "accuracy >= 0.9 or so", "accuracy >= 1e999", "0.5 < accuracy < 0.9", "accuracy >= 9%%"],
)  # fmt: skip
def test_bad_form_says_what_is_wanted(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(text)
    assert str(caught.value) == (
        f"--require {text!r}: must be a metric, one of >= > <= <, and a number, as in 'accuracy >= 0.9'"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("acuracy >= 0.9", "did you mean 'accuracy'?"),
        ("macro F1 >= 0.9", "did you mean 'macro_f1'?"),
        ("rmse <= 0.9", "allowed: accuracy, macro_f1, mcc, roc_auc, log_loss, samples_per_second"),
        ("acuracy.low >= 0.9", "did you mean 'accuracy'?"),
        ("accuracy.mean >= 0.9", "metric 'accuracy.mean' is unknown to text-classification"),
        ("peak_memory_mib.low <= 9", "peak_memory_mib has no interval; leave out .low"),
        ("log_loss <= 30%", "log_loss is not given in percent"),
        ("accuracy >= 90", "no model can meet it: accuracy is never above 1; did you mean 90%?"),
        ("accuracy > 100%", "no model can meet it: accuracy is never above 1"),
        ("mcc < -1", "no model can meet it: mcc is never below -1"),
        ("log_loss <= -0.1", "no model can meet it: log_loss is never below 0"),
    ],
)
def test_what_cannot_be_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed(text)
    message = str(caught.value)
    assert message.startswith(f"--require {text!r}: ")
    assert words in message
    assert caught.value.exit_code == 2


def test_metrics_are_those_of_the_task() -> None:
    assert parsed("rmse <= 0.9", "text-regression").metric.name == "rmse"
    assert parsed("r2 > -40", "text-regression").limit == -40


def test_all_mistakes_are_listed() -> None:
    with pytest.raises(InputError) as caught:
        parse_requirements(["f1 > 2", "accuracy > 0.5", "accuracy ! 3"], FACTS)
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        "--require 'f1 > 2'", "--require 'accuracy ! 3'",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "met"),
    [
        (">=", [False, True, True]),
        (">", [False, False, True]),
        ("<=", [True, True, False]),
        ("<", [True, False, False]),
    ],
)
def test_limit_itself_belongs_to_two_operators(operator: str, met: list[bool]) -> None:
    requirement = parsed(f"accuracy {operator} 0.5")
    assert [requirement.is_met(value) for value in (0.4, 0.5, 0.6)] == met
    assert not requirement.is_met(nan)


@given(st.integers(0, 10_000))
def test_percent_is_the_same_limit_as_the_share(hundredths: int) -> None:
    share = f"{hundredths // 10_000}.{hundredths % 10_000:04d}"
    percent = f"{hundredths // 100}.{hundredths % 100:02d}%"
    assert parsed(f"accuracy >= {percent}").limit == parsed(f"accuracy >= {share}").limit == float(share)


@given(st.text("acury_.low <>=0159e+-%", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        requirement = parsed(text)
    except InputError:
        return
    assert requirement.metric.name in FACTS.objectives
