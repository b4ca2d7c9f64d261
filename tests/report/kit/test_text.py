from __future__ import annotations

import html
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.kit import text
from harness.stats.classification import CLASSIFICATION
from harness.stats.intervals import Interval, unknown
from harness.stats.regression import REGRESSION


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.5e-4, "1.5e-4"),
        (0.000152341, "1.5e-4"),
        (5e-5, "5e-5"),
        (0.0059, "5.9e-3"),
        (0.1, "0.1"),
        (0.06, "0.06"),
        (3.0, "3"),
        (0.0, "0"),
        (32, "32"),
        (123456.0, "1.2e5"),
        (None, "none"),
        (True, "True"),
        (("nfkc", "lowercase"), "nfkc, lowercase"),
        ((), "none"),
        (math.inf, "inf"),
    ],
)
def test_param_is_short(value: object, shown: str) -> None:
    assert text.param(value) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("accuracy", 0.958, "95.8\u00a0%"),
        ("macro_f1", 1.0, "100.0\u00a0%"),
        ("mcc", -0.1234, "-0.123"),
        ("log_loss", 0.41, "0.410"),
        ("samples_per_second", 2345.6, "2,350"),
        ("peak_memory_mib", 776.4, "776 MiB"),
        ("peak_memory_mib", 2048, "2.0 GiB"),
        ("accuracy", None, "–"),
        ("accuracy", math.nan, "–"),
        ("log_loss", math.inf, "–"),
    ],
)
def test_metric_has_its_own_form(name: str, value: float | None, shown: str) -> None:
    assert text.metric(name, value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(3.21, "3.2 s"), (59.7, "1 min 00 s"), (75, "1 min 15 s"), (3700, "1 h 01 min"), (None, "–"), (math.nan, "–")],
)
def test_duration_has_its_unit(seconds: float | None, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_interval_is_its_two_bounds() -> None:
    assert text.interval("accuracy", Interval(value=0.9, low=0.85, high=0.94)) == "85.0–94.0\u00a0%"
    assert text.interval("log_loss", Interval(value=0.9, low=0.85, high=0.94)) == "0.850–0.940"
    assert text.interval("accuracy", Interval(value=0.9, low=math.nan, high=math.nan)) == "–"


def test_number_keeps_thousands_apart() -> None:
    assert [text.number(value) for value in (0, 0.5, 214.3, 1234.5, 99_999)] == [
        "0",
        "0.500",
        "214",
        "1,230",
        "100,000",
    ]


def test_join_and_plural_read_as_english() -> None:
    assert text.join(["a", "b", "c"]) == "a, b and c"
    assert text.join(["a"]) == "a"
    assert [text.plural(n, "trial") for n in (0, 1, 2000)] == ["0 trials", "1 trial", "2,000 trials"]


def test_short_name_is_the_last_part() -> None:
    assert text.short_name("org/model-small") == "model-small"
    assert text.short_name("models/mine/") == "mine"
    assert text.short_name("/") == "/"


def test_clip_takes_direction_marks_out() -> None:
    assert text.clip("a\u202eb\u2066c\x00d\nE") == "a b c d E"


@given(st.text(), st.integers(2, 80))
def test_clip_is_one_line_of_limited_length(foreign: str, width: int) -> None:
    found = text.clip(foreign, width)
    assert len(found) <= width
    assert len(found.splitlines()) <= 1


@given(st.text())
def test_for_figure_leaves_no_tag(foreign: str) -> None:
    found = text.for_figure(foreign)
    assert "<" not in found
    assert ">" not in found
    assert html.unescape(found) == text.clip(foreign, 40)


@given(st.text(alphabet="|`*_[]()#<>@&!\\~$:/.whtp a"))
def test_for_markdown_leaves_no_markup(foreign: str) -> None:
    found = text.for_markdown(foreign)
    assert not re.search(r"[|`*\[\]<>@~$\\]|://|www\.", found)
    assert not re.search(r"(?<![a-z0-9])_|_(?![a-z0-9])", found, re.IGNORECASE), "but within a word"
    assert html.unescape(found) == text.clip(foreign, 200)


def test_for_markdown_leaves_keys_as_they_are() -> None:
    assert text.for_markdown("training.class_weights=balanced") == "training.class_weights=balanced"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (
            "harness predict best 'it costs $5 & more_or_less <b>'",
            "`harness predict best 'it costs $5 & more_or_less <b>'`",
        ),
        ("predict 'a ` and `` in it'", "``` predict 'a ` and `` in it' ```"),
        ("a\nb", "`a b`"),
    ],
)
def test_command_in_markdown_is_as_it_is_typed(command: str, code: str) -> None:
    assert text.code_for_markdown(command) == code


def test_bounds_that_are_not_known_are_called_so() -> None:
    point = unknown(0.5)
    assert text.difference("accuracy", point) == "not known"
    assert text.interval_text("accuracy", point) == "95 % interval not known"
    known = Interval(value=0.5, low=0.4, high=0.6)
    assert text.interval_text("accuracy", known) == "95 % interval 40.0–60.0\u00a0%"


def test_differences_have_no_negative_zero() -> None:
    none = Interval(value=-1e-9, low=-0.061, high=0.061)
    assert text.gain("accuracy", none) == "+0.0 points of accuracy (95\u00a0% interval −6.1 to +6.1)"
    assert text.gain("log_loss", none) == "0.000 less log loss (95\u00a0% interval of the difference −0.061 to +0.061)"
    assert text.difference("log_loss", Interval(value=0, low=-1e-9, high=0.1)) == "+0.000 to +0.100"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("accuracy", "+1.2 points of accuracy (95\u00a0% interval −0.3 to +2.7)"),
        ("macro_f1", "+1.2 points of macro F1 (95\u00a0% interval −0.3 to +2.7)"),
        ("mcc", "0.012 more MCC (95\u00a0% interval of the difference −0.003 to +0.027)"),
        ("of_nobody", "0.012 more of_nobody (95\u00a0% interval of the difference −0.003 to +0.027)"),
    ],
)
def test_gain_is_in_the_metrics_own_unit(name: str, shown: str) -> None:
    assert text.gain(name, Interval(value=0.012, low=-0.003, high=0.027)) == shown


def test_gain_by_a_loss_is_less_of_it() -> None:
    found = text.gain("log_loss", Interval(value=-0.12, low=-0.2, high=-0.031))
    assert found == "0.120 less log loss (95\u00a0% interval of the difference −0.200 to −0.031)"


def test_gain_without_an_interval_says_so() -> None:
    assert text.gain("rmse", unknown(0.0)) == "0.000 more RMSE (95\u00a0% interval not known)"


def test_footer_says_how_the_intervals_were_made() -> None:
    assert text.footer(CLASSIFICATION).endswith("Wilson for accuracy, bootstrap for others.")
    assert text.footer(REGRESSION).endswith("Intervals are of 95 %: bootstrap.")
    assert text.footer(CLASSIFICATION, "user").endswith("Intervals are of 95 %: bootstrap over 'user'.")
