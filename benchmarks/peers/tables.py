"""What all peers are given: the rows, the labels and the command line. Nothing of ours is used here.

Validation is a seeded, stratified tenth of train; with `rows`, both are cut down to a seeded sample.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.model_selection import train_test_split

__all__ = ["Tables", "quiet", "read_tables", "say", "usual_options"]

SEED = 42


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Columns text and label; labels are numbered in alphabetical order."""

    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame
    labels: tuple[str, ...]

    def ids(self, frame: pd.DataFrame) -> list[int]:
        """The label numbers [rows] of a table."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return [numbers[label] for label in frame["label"]]


def read_tables(folder: Path, rows: int) -> Tables:
    """train.csv and test.csv; `rows` 0 means all, else so many of train, and a quarter (at least 200) to validate."""
    read = {name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False, dtype=str) for name in ("train", "test")}
    labels = tuple(sorted(read["train"]["label"].unique()))
    train, valid = train_test_split(read["train"], test_size=0.1, random_state=SEED, stratify=read["train"]["label"])
    if rows:
        train = train.sample(min(rows, len(train)), random_state=SEED)
        valid = valid.sample(min(max(200, rows // 4), len(valid)), random_state=SEED)
    return Tables(train=train, valid=valid, test=read["test"], labels=labels)


def usual_options(description: str) -> argparse.ArgumentParser:
    """A parser with what every peer takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv, columns text and label")
    parser.add_argument("checkpoint", help="folder of a pretrained model")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2000, help="training rows; 0: all")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    return parser


def quiet() -> None:
    """No network, no shared cache: every run pays for what it does. Call before importing datasets."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true", "HF_DATASETS_CACHE": tempfile.mkdtemp()}


def say(result: dict[str, Any], out: Path | None) -> None:
    """Prints the result, and writes it where asked."""
    text = json.dumps(result, indent=1)
    print(text)
    if out is not None:
        out.write_text(text, encoding="utf-8")
