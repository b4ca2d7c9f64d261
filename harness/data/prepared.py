"""A prepared data set: a folder with the rows of each split and the facts of the data.

`harness.data.prepare` writes it. Only the folder's path travels to a worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.pictures.kept import restore
from harness.data.splits.extra import RESAMPLE_BY
from harness.errors import DataError
from harness.records.manifest import Meta
from harness.runtime import quick_imports

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["Meta", "PreparedData"]


@dataclass(frozen=True)
class PreparedData:
    """`folder` holds meta.json and train, validation, test as Parquet (columns by task, ids for names, `row`).

    The bytes of pictures are in a file of their own (`harness.data.pictures.kept`).
    """

    folder: Path

    @cached_property
    def meta(self) -> Meta:
        """The facts of the data: what reading and splitting the rows has shown."""
        return Meta.model_validate_json((self.folder / "meta.json").read_bytes())

    @property
    def names(self) -> tuple[str, ...]:
        """What the ids in the targets stand for (classes, tags), by id; empty where targets hold no ids."""
        return self.meta.labels

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images.

        Raises:
            DataError: the data has texts.
        """
        if self.meta.image is None:
            raise DataError(f"{self.meta.source}: the data has no images; give task: image-classification images")
        return self.meta.image

    def has_variety(self, split: str) -> bool:
        """False where all rows of a split have the same target, as far as counts and spreads tell."""
        counts, numbers = self.meta.counts.get(split), self.meta.numbers.get(split, {})
        if counts:
            return sum(count > 0 for count in counts.values()) > 1
        return not numbers or any(spread.low < spread.high for spread in numbers.values())

    def frame(self, split: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Reads the rows of "train", "validation" or "test"; all columns, or those given."""
        with quick_imports():
            import pandas as pd
            import pandas.core.arrays.arrow.extension_types  # type: ignore[import-not-found]

        frame = pd.read_parquet(self.folder / f"{split}.parquet", columns=columns)
        return restore(frame, self.folder, self.meta.source, self.meta.columns)

    def units(self, split: str) -> np.ndarray | None:
        """The number of each row's unit that intervals draw (`data.resample_by`) [rows]; None: rows are drawn."""
        import pandas as pd

        frame = self.frame(split)
        return pd.factorize(frame[RESAMPLE_BY])[0] if RESAMPLE_BY in frame else None
