"""The Parquet file of a grid: a row for each evaluation of each cell, and what the grid is, as JSON in the schema."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from grids.sets import Grid, config_of, planned
from grids.train import Row
from harness.data.prepared import PreparedData
from harness.errors import InputError
from harness.records.files import write_bytes
from harness.spec.configure import differences, search_space
from harness.spec.steps import num_examples
from harness.spec.study import StudySpec
from harness.spec.tasks import facts_of
from harness.tasks import task_of

__all__ = ["Table", "about", "read_table"]

#: The key of the JSON in the schema's metadata.
ABOUT = b"grid"


def about(grid: Grid, data: PreparedData) -> dict[str, Any]:
    """Returns what a table says of its grid, as JSON; paths are those of `grid`, without this machine's folders."""
    spec, rows = grid.spec, data.meta.rows
    params, seed = planned(spec)[0]
    config = config_of(spec, params, seed, rows)
    return {
        "name": spec.name,
        "study": spec.model_dump(mode="json", exclude={"search": {"pruner"}}),
        "params": [param.name for param in search_space(spec)],
        "objective": spec.search.objectives[0],
        "metrics": [metric.name for metric in facts_of(spec.task).metrics],
        "chance": task_of(spec.task).chance(data),
        "classes": list(data.names),
        "rows": {
            "train": num_examples(rows["train"], config.data.train_rows, 0),
            "validation": config.validation_rows[-1],
            "test": rows["test"],
        },
        "rows_sha256": data.meta.rows_sha256,
        "source": grid.source,
        "licence": grid.licence,
    }


def read_table(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """Returns what a table says of its grid, and its rows."""
    table = pq.read_table(path)
    return json.loads(table.schema.metadata[ABOUT]), table.to_pylist()


class Table:
    """The table of one grid; `facts` are those of `about`. What the file has is kept and not trained again.

    Raises:
        InputError: the file is of another study or of other rows.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self._path, self._facts = path, facts
        self.rows: list[Row] = []
        if path.exists():
            recorded, self.rows = read_table(path)
            self._check(recorded)

    def _check(self, recorded: Mapping[str, Any]) -> None:
        """The grid may have got other cells; the rest of the study may not have changed."""
        old, new = (StudySpec.model_validate(facts["study"]) for facts in (recorded, self._facts))
        changed = differences(old, new, free=[f"training.{name}" for name in self._facts["params"]])
        if recorded["rows_sha256"] != self._facts["rows_sha256"]:
            changed.append("the prepared rows")
        if changed:
            raise InputError(f"{self._path}: it was made otherwise ({'; '.join(changed)}); give another --out")

    def has(self, params: Mapping[str, Any], seed: int) -> bool:
        """True when the cell has been trained."""
        return any(self._cell(row) == (*params.values(), seed) for row in self.rows)

    def _cell(self, row: Row) -> tuple[Any, ...]:
        return (*(row[name] for name in self._facts["params"]), row["seed"])

    @property
    def num_cells(self) -> int:
        """The number of trained cells, those of further seeds included."""
        return len({self._cell(row) for row in self.rows})

    def add(self, rows: Iterable[Row]) -> None:
        """Adds a trained cell and writes the file anew."""
        self.rows = sorted([*self.rows, *rows], key=lambda row: (*self._cell(row), row["step"]))
        table = pa.Table.from_pylist(self.rows).replace_schema_metadata({ABOUT: json.dumps(self._facts)})
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        write_bytes(self._path, content.getvalue())
