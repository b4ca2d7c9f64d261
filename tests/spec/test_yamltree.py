"""The YAML subset: what is read as what, and the line of each complaint."""

from __future__ import annotations

from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.spec.yamltree import Unreadable, dotted, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        (".5", 0.5),
        ("3.", 3.0),
        ("-1.5e+3", -1500.0),
        ("12", 12),
        ("-0", 0),
        ("+7", 7),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
    ],
)
def test_scalar_is_read_as(text: str, value: object) -> None:
    found = read_yaml(text).value
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ["yes", "No", "on", "OFF", "True", "NULL", "010", "0x1F", "0o7", "1_000", "12:30:00", "2024-01-31", ".inf", ".NaN"],
)
def test_surprise_of_older_yaml_is_text(text: str) -> None:
    assert read_yaml(text).value == text


def test_lines_are_those_of_keys_and_items() -> None:
    tree = read_yaml("# comment\na: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n")
    assert tree.value == {"a": 1, "b": ["x", {"c": 2, "d": 3}]}
    assert tree.lines[("a",)] == 2
    assert tree.lines[("b",)] == 3
    assert tree.lines[("b", 1)] == 5
    assert tree.lines[("b", 1, "d")] == 6


@pytest.mark.parametrize(
    ("text", "key", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", "a", 3, "given twice (first on line 1)"),
        ("s:\n  a: 1\n  a: 2", "s.a", 3, "given twice (first on line 2)"),
        ("a: &x 1", "a", 1, "anchors and aliases"),
        ("a: &x 1\nb: *x", "b", 2, "anchors and aliases"),
        ("a: 1\nb: !!python/object:os.system {}", "b", 2, "tags"),
        ("a: !!int 3", "a", 1, "tags"),
        ("a: 1e999", "a", 1, "out of range"),
        ("a: 99999999999999999999", "a", 1, "out of range"),
        (f"a: {'9' * 5000}", "a", 1, "out of range"),
        ('a: "x\\0y"', "a", 1, "no text"),
        ('a: "\\uD800"', "a", 1, "no text"),
    ],
)
def test_wrong_key_is_complained_of(text: str, key: str, line: int, words: str) -> None:
    problems = [problem for problem in read_yaml(text).problems if problem.key == key]
    assert problems
    assert problems[0].line == line
    assert words in problems[0].message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("a: [1\nb: 2", 2, "not valid YAML"),
        ("a: 1\n\tb: 2", 2, "not valid YAML"),
        ("a: 1\nb: \x01", 2, "special characters"),
        ('a: "\\UFFFFFFFF"', 1, "not valid YAML"),
        ("%YAML 9.9\n---\na: 1", 1, "not valid YAML"),
        (f"%YAML 1.{'9' * 5000}\n---\na: 1", 1, "not valid YAML"),
        ("[" * 21 + "]" * 21, 1, "nested deeper than 20"),
        ("[" * 100_000, 1, "nested deeper than 20"),
        ("a: 1\n? [x, y]\n: 2", 2, "a key must be a word"),
        ("a: &x 1\n*x : 2", 2, "a key must be a word"),
        ("a: 1\n'': 2", 2, "a key must be a word"),
    ],
)
def test_unreadable_text_is_refused(text: str, line: int, words: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_yaml(text)
    assert caught.value.problem.line == line
    assert words in caught.value.problem.message
    assert "\n" not in caught.value.problem.message


def test_twenty_levels_are_read() -> None:
    assert read_yaml("[" * 20 + "]" * 20).value


def test_dotted_quotes_and_shortens_odd_keys() -> None:
    assert dotted(("data", "preprocess", 0)) == "data.preprocess[0]"
    assert dotted(("when", "training.schedule")) == "when.training.schedule"
    assert dotted(("a\nb\x1b[31m",)) == r"'a\nb\x1b[31m'"
    assert len(dotted(("x" * 1000,))) < 70


def _numbers_are_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _numbers_are_finite(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_numbers_are_finite(item) for item in value)
    return not isinstance(value, float) or isfinite(value)


@settings(deadline=None)
@given(
    st.text(st.sampled_from("ab:-,[]{}#&*!|>'\"%@`?~\n \t01.e\\x\0\ud800\u2028\x85é"), max_size=40)
    | st.text(max_size=30)
)
def test_read_yaml_of_any_text_is_plain_or_unreadable(text: str) -> None:
    try:
        tree = read_yaml(text)
    except Unreadable as error:
        assert error.problem.line >= 1
        assert error.problem.message.isprintable()
    else:
        assert _numbers_are_finite(tree.value)
        assert all(1 <= problem.line <= 1 + len(text) for problem in tree.problems)
