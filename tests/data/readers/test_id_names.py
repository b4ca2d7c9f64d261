"""Class ids become the names that a table's metadata gives them, in whatever way either is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from harness.data.formats import read_files
from harness.errors import DataError


def written(path: Path, labels: list[Any], names: Any) -> Path:
    table = pa.table({"text": [f"text {number}" for number in range(len(labels))], "label": labels})
    feature = {"names": names, "_type": "ClassLabel"}
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": feature}}})} if names else None
    parquet.write_table(table.replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize("names", [["no", "yes"], {"0": "no", "1": "yes"}, {"1": "yes", "0": "no"}])
@pytest.mark.parametrize(
    "labels", [[0, 1, None, -1], [0.0, 1.0, None, -1.0], ["no", "yes", None, None], [0.0, 1.0, float("nan"), None]]
)
def test_ids_and_names_are_read_as_names(tmp_path: Path, labels: list[Any], names: Any) -> None:
    path = written(tmp_path / "t.parquet", labels, names)
    assert read_files([path], ["label"]).columns["label"] == ["no", "yes", None, None]


@pytest.mark.parametrize(
    ("labels", "said"), [([0.5, 1.0], "'label' has '0.5', where"), (["maybe", "no"], "'label' has 'maybe', where")]
)
def test_what_is_neither_id_nor_name_is_refused(tmp_path: Path, labels: list[Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_files([written(tmp_path / "t.parquet", labels, ["no", "yes"])], ["label"])


@pytest.mark.parametrize("first", [0, 1])
def test_bare_ids_of_a_shard_are_named_as_in_the_other(tmp_path: Path, first: int) -> None:
    paths = [
        written(tmp_path / "a.parquet", [0, 1, 1], ["no", "yes"]),
        written(tmp_path / "b.parquet", [1, 0, -1], None),
    ]
    order = paths if first == 0 else paths[::-1]
    content = read_files(order, ["text", "label"])
    labels = [["no", "yes", "yes"], ["yes", "no", None]]
    assert content.columns["label"] == [*labels[first], *labels[1 - first]]
    assert content.notes == ("b.parquet: the ids in 'label' have no names; they are named as in a.parquet",)


def test_an_id_of_a_shard_beyond_the_names_of_the_other_is_refused(tmp_path: Path) -> None:
    paths = [
        written(tmp_path / "a.parquet", [0, 1, 1], ["no", "yes"]),
        written(tmp_path / "b.parquet", [1, 7, 0], None),
    ]
    with pytest.raises(DataError, match=r"b\.parquet: 'label' has the class id 7"):
        read_files(paths, ["label"])


@pytest.mark.parametrize("names", [{"1": "no", "2": "yes"}, {"a": "no"}, [1, 2], "names"])
def test_metadata_that_does_not_name_ids_names_none(tmp_path: Path, names: Any) -> None:
    assert read_files([written(tmp_path / "t.parquet", [0, 1], names)], ["label"]).columns["label"] == [0, 1]
