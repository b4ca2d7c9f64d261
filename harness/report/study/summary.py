"""The summary of a report in Markdown, for pull requests; all foreign text is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.kit.sections import Sentence, Table
from harness.report.kit.text import code_for_markdown, for_markdown
from harness.report.kit.view import View
from harness.report.study.answer import Answer
from harness.report.study.leaderboard import TrialColumn, TrialRow

__all__ = ["markdown_table", "sentence_for_markdown", "summary"]

_MAX_ROWS = 10


def summary(
    view: View,
    answer: Answer,
    models: Table | None,
    caption: str,
    columns: Sequence[TrialColumn],
    rows: Sequence[TrialRow],
) -> str:
    """Returns the answer, the final models and the top of the leaderboard under its `caption`."""
    params = ", ".join(f"{for_markdown(name)} **{for_markdown(value)}**" for name, value in answer.params)
    lines = [f"## {for_markdown(view.results.spec.name)}: {for_markdown(answer.headline)}", ""]
    lines += [f"{for_markdown(answer.more, 600)}", ""] if answer.more else []
    lines += [params, ""] if params else []
    lines += [f"**{for_markdown(answer.score)}** {for_markdown(answer.score_of)}.", ""] if answer.score else []
    lines += [f"> [!WARNING]\n> {for_markdown(warning, 600)}\n" for warning in answer.warnings]
    lines += list(map(sentence_for_markdown, answer.sentences))
    if models is not None:
        lines += ["", "### Final models on test", "", markdown_table(models)]
    lines += ["", "### Leaderboard", "", for_markdown(caption, 600), "", _leaderboard(columns, rows)]
    return "\n".join(lines) + "\n"


def _leaderboard(columns: Sequence[TrialColumn], rows: Sequence[TrialRow]) -> str:
    places = [place for place, column in enumerate(columns) if column.key not in ("tokens_per_second", "reason")]
    table = Table(
        title="",
        head=("trial", *(columns[place].title for place in places)),
        rows=[[_number(row), *(row.texts[place] for place in places)] for row in rows[:_MAX_ROWS]],
        numeric=frozenset(i + 1 for i, place in enumerate(places) if columns[place].numeric),
    )
    more = f"\n\n{len(rows) - _MAX_ROWS:,} more trials are in `index.html`." if len(rows) > _MAX_ROWS else ""
    return markdown_table(table) + more


def _number(row: TrialRow) -> str:
    return f"{row.number} ({', '.join(row.roles)})" if row.roles else str(row.number)


def sentence_for_markdown(sentence: Sentence, width: int = 600) -> str:
    """Returns a sentence with its subject as an item of a list, its command as a code span."""
    parts = [for_markdown(sentence.text, width)] if sentence.text else []
    parts += [code_for_markdown(sentence.command)] if sentence.command else []
    return f"- **{for_markdown(sentence.about)}**: {' '.join(parts)}"


def markdown_table(table: Table) -> str:
    """A table in GitHub's Markdown."""
    rules = ["---:" if place in table.numeric else "---" for place in range(len(table.head))]
    rows = [list(map(for_markdown, table.head)), rules]
    rows += [[for_markdown(cell, 120) for cell in row] for row in table.rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
