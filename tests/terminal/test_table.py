"""Tables that fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from harness.terminal.table import Line, TextColumn, fitted


def drawn(table: Table, width: int) -> list[str]:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


COLUMNS = (
    TextColumn(title="trial"),
    TextColumn(title="lr", rank=2),
    TextColumn(title="speed", rank=1),
    TextColumn(title="state", right=False),
)
LINE = Line(("12", "1.5e-4", "123", "complete"))


def test_fitted_wide_shows_all() -> None:
    table, left_out = fitted(COLUMNS, [LINE], 80)
    assert left_out == []
    assert drawn(table, 80) == ["trial      lr  speed  state", "   12  1.5e-4    123  complete"]


def test_fitted_narrow_leaves_out_by_rank() -> None:
    assert fitted(COLUMNS, [LINE], 25)[1] == ["lr"]
    assert fitted(COLUMNS, [LINE], 20)[1] == ["lr", "speed"]


def test_fitted_last_column_is_shortened_first() -> None:
    table, left_out = fitted(COLUMNS, [Line(("12", "1.5e-4", "123", "complete and much more than that"))], 48)
    assert left_out == []
    assert drawn(table, 48)[1].endswith("…")


def test_fitted_ruler_stands_between() -> None:
    lines = drawn(fitted(COLUMNS, [LINE, None, LINE], 80)[0], 80)
    assert set(lines[2]) == {"─", " "}


def test_fitted_text_is_no_markup() -> None:
    assert "[bold]x[/bold]" in drawn(fitted(COLUMNS, [Line(("1", "2", "3", "[bold]x[/bold]"))], 80)[0], 80)[1]


@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8", categories=["L", "N", "S"]), max_size=30)] * 4),
                min_size=1, max_size=5), st.integers(20, 100))  # fmt: skip
def test_fitted_is_never_wider(rows: list[tuple[str, str, str, str]], width: int) -> None:
    table, _ = fitted(COLUMNS, [Line(("1", *row[1:])) for row in rows], width)
    console = Console(width=width, force_terminal=False)
    assert console.measure(table).maximum <= width
