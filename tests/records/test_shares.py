from __future__ import annotations

from pathlib import Path

import pytest

from harness.records.shares import read_share, write_share


def test_a_share_is_read_until_the_work_is_done(tmp_path: Path) -> None:
    file = tmp_path / "written.json"
    assert read_share(file) is None
    write_share(file, 0.25)
    assert read_share(file) == 0.25
    write_share(file, 1)
    assert read_share(file) is None and not file.exists()


@pytest.mark.parametrize("content", ["", "[1]", '{"share": null}', '{"share": 7}', '{"share": "half"}', "\xff"])
def test_a_broken_file_has_no_share(tmp_path: Path, content: str) -> None:
    file = tmp_path / "written.json"
    file.write_text(content, encoding="latin-1")
    assert read_share(file) is None


def test_a_share_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    write_share(tmp_path / "missing" / "written.json", 0.5)
    write_share(tmp_path / "missing" / "written.json", 1)
    assert not (tmp_path / "missing").exists()
