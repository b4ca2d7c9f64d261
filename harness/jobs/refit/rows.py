"""Prepared data whose training split has the rows of other splits too."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.data.prepared import PreparedData

__all__ = ["REFITS", "widened"]

#: The splits that are trained on, by the value of `harness export --refit`.
REFITS = {"train+validation": ("train", "validation"), "all": ("train", "validation", "test")}


def widened(data: PreparedData, splits: Sequence[str], folder: Path) -> PreparedData:
    """Writes prepared data whose training split has the rows of `splits`; the others stay as they are."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    for split in ("validation", "test"):
        shutil.copyfile(data.folder / f"{split}.parquet", folder / f"{split}.parquet")
    frames = [data.frame(split) for split in splits]
    pd.concat(frames, ignore_index=True).to_parquet(folder / "train.parquet", index=False)
    meta = data.meta
    counts = {name: sum(meta.counts[split].get(name, 0) for split in splits) for name in meta.counts.get("train", {})}
    changed = meta.model_copy(
        update={
            "rows": meta.rows | {"train": sum(map(len, frames))},
            "counts": meta.counts | {"train": counts} if counts else meta.counts,
        }
    )
    (folder / "meta.json").write_text(changed.model_dump_json(indent=1), encoding="utf-8")
    return PreparedData(folder)
