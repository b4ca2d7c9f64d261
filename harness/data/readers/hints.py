"""Says what to do where a table is cut in a wrong way: by numbers of columns, separators of several signs, quotes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

__all__ = ["hint_of_cells", "hint_of_numbers", "hint_of_separator", "separator_in"]

#: So many columns are shown, with so many values of so many signs.
_MAX_COLUMNS, _MAX_VALUES, _MAX_CHARS = 10, 2, 24
#: Several signs that may separate cells together, such as `::`.
_SIGNS = re.compile(r"[^\w\s\"'.,!?()-]{2,}")
#: So many lines tell what separates cells.
_TELLING_LINES = 30


def hint_of_numbers(rows: Sequence[Sequence[str]], width: int) -> str:
    """Returns an example that names a text and a label by number, and values of each column.

    The text is the column of the longest cells. The label is the column without empty cells that has the fewest values,
    two or more, of which most come again.

    Args:
        rows: the cells of the first rows.
        width: the usual number of cells.
    """
    columns = [[cell.strip() for cells in rows for cell in cells[at : at + 1]] for at in range(width)]
    text = max(range(width), key=lambda at: sum(map(len, columns[at])), default=0)
    values = [list(dict.fromkeys(filter(None, cells))) for cells in columns]
    labels = [
        at
        for at in range(width)
        if at != text and all(columns[at]) and len(values[at]) > 1 and 2 * len(values[at]) <= len(columns[at])
    ]
    others = [at for at in range(width) if at != text and values[at]]
    label = min(labels, key=lambda at: len(values[at]), default=others[-1] if others else None)
    example = f"data.text={text + 1}" + (f" data.label={label + 1}" if label is not None else "")
    shown = "; ".join(f"{at + 1}: {_shown(values[at])}" for at in range(width)[:_MAX_COLUMNS])
    return f"if the file has no header, name columns by number, for example {example} data.header=none ({shown})"


def _shown(values: Sequence[str]) -> str:
    cut = (value if len(value) <= _MAX_CHARS else f"{value[:_MAX_CHARS]}..." for value in values[:_MAX_VALUES])
    return ", ".join(f"'{value}'" for value in cut) or "empty"


def separator_in(lines: Sequence[str], delimiter: str) -> str:
    """Returns several signs that each of the first lines has equally often, but for delimiters alone; "" for none."""
    first = [line for line in lines[: 2 * _TELLING_LINES] if line.strip()][:_TELLING_LINES]
    counts = [Counter(_SIGNS.findall(line)) for line in first] or [Counter()]
    several = (sign for sign in counts[0] if set(sign) != {delimiter})
    return next((sign for sign in several if all(count[sign] == counts[0][sign] for count in counts)), "")


def hint_of_separator(separator: str) -> str:
    """Says what to do with several signs that separate cells together."""
    return (
        f"'{separator}' seems to separate its columns: write one sign in its place, for example a tab (with "
        "data.delimiter=tab)"
    )


def hint_of_cells(cells: Sequence[str]) -> str:
    """Says what to do with a text that was cut at the delimiter."""
    if any(cell.lstrip().startswith('"') and cell[:1].isspace() for cell in cells):
        return "a quote encloses a cell only directly behind the delimiter; leave out the space before it"
    remedy = 'put a text that holds the delimiter or a quote in double quotes, and write " inside it as ""'
    opens = next((at for at, cell in enumerate(cells) if cell.startswith("'") and not cell.endswith("'")), len(cells))
    closes = any(cell.endswith("'") for cell in cells[opens + 1 :])
    return f"{remedy}; single quotes enclose no cell" if closes else remedy
