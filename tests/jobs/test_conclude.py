"""What the answer warns of."""

from __future__ import annotations

import json
from pathlib import Path

from harness.data.prepared import PreparedData
from harness.jobs.conclude import pruning_warnings
from tests.jobs.test_finalists import SPEC, trained


def prepared(folder: Path) -> PreparedData:
    """Four classes of 20 rows each in both splits: a guess has a quarter right."""
    counts = dict.fromkeys("abcd", 20)
    meta = {
        "labels": list("abcd"),
        "counts": {"train": counts, "validation": counts},
        "rows": {"train": 80, "validation": 80},
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    return PreparedData(folder)


def test_pruning_warnings_name_the_key(tmp_path: Path) -> None:
    data, pruned = prepared(tmp_path), trained(1, 16, 0.25, 60, fraction=1 / 16)
    (warning,) = pruning_warnings(SPEC, data, [trained(0, 32, 0.25, 60), pruned])
    assert warning == (
        "No completed trial is better than a guess on validation, and 1 trial was pruned: pruning may be the cause; "
        "search.pruner.name=none switches it off."
    )
    assert pruning_warnings(SPEC, data, [trained(0, 32, 0.4, 60), pruned]) == ()
