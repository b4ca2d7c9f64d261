"""A prepared data set: a folder with the rows of each split, the labels and the facts found on the way.

Knows nothing of models. The folder's path is all that travels to a worker. Written by `harness.data.prepare`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PreparedData"]


@dataclass(frozen=True)
class PreparedData:
    """`folder` holds meta.json and train, validation, test as Parquet (columns by task, `label` a class id, `row`).

    meta.json: `labels` (names by class id), `counts` {split: {label: rows}}, `rows` {split: rows}, `notes` (what was
    repaired or dropped, one sentence each), `sha256` (of the source), `source`, `task`, `image` (shape, or null).
    """

    folder: Path

    @cached_property
    def meta(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "meta.json").read_text(encoding="utf-8"))
        return loaded

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.meta["labels"])

    def frame(self, split: str) -> pd.DataFrame:
        """The rows of "train", "validation" or "test"."""
        import pandas as pd

        return pd.read_parquet(self.folder / f"{split}.parquet")
