"""Rows into train, validation and test: stratified, seeded, and no text in two of them.

Knows nothing of files or of models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.data.clean import normalised
from harness.data.read import Tables
from harness.errors import DataError
from harness.spec.study import SplitSpec

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["deal", "split_tables", "subset"]

#: A class with fewer distinct texts than this cannot be in all three splits: all of it goes to train.
MIN_GROUPS = 3


def split_tables(tables: Tables, spec: SplitSpec) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The three splits and, a sentence each, what was moved or dropped.

    A given test split is never changed. Texts of test leave train and validation, texts of validation leave train.
    A missing split is its share of train.

    Raises:
        DataError: a split is left without rows, or train with one class.
    """
    given = {"train": tables.train, "validation": tables.validation, "test": tables.test}
    frames = {split: frame for split, frame in given.items() if frame is not None}
    notes: list[str] = []
    for split, others in (("validation", ["test"]), ("train", ["test", "validation"])):
        for other in (other for other in others if other in frames and split in frames):
            frames[split] = _without(frames[split], frames[other], split, other, notes)
    shares = {split: share for split, share in _shares(spec).items() if split not in frames}
    if shares:
        train = frames["train"].reset_index(drop=True)
        parts, said = deal(_keys(train), train["label"].tolist(), shares, seed=spec.seed, stratify=spec.stratify)
        frames |= {split: train.iloc[rows] for split, rows in parts.items()}
        notes += said
    _check(frames)
    return {split: frames[split].reset_index(drop=True) for split in given}, notes


def _shares(spec: SplitSpec) -> dict[str, float]:
    return {"validation": spec.validation, "test": spec.test}


def _keys(frame: pd.DataFrame) -> list[str]:
    """What makes two rows the same: the normalised text, both texts of a pair, or the pixels."""
    if "image" in frame:
        return [str(image) for image in frame["image"]]
    columns = [frame[name].map(normalised) for name in ("text", "text_pair") if name in frame]
    return ["\0".join(parts) for parts in zip(*columns, strict=True)]


def _without(frame: pd.DataFrame, other: pd.DataFrame, name: str, other_name: str, notes: list[str]) -> pd.DataFrame:
    taken = set(_keys(other))
    shared = np.array([key in taken for key in _keys(frame)], dtype=bool)
    if shared.all() and len(frame):
        raise DataError(
            f"all {len(frame)} rows of {name} have a text that is in {other_name} too, so none is left to use; take "
            f"them out of {other_name}, or give one table alone, which is split here"
        )
    if shared.any():
        notes.append(f"{int(shared.sum())} rows of {name} have a text that is in {other_name} too: they left {name}")
    return frame[~shared]


def _check(frames: dict[str, pd.DataFrame]) -> None:
    for split, frame in frames.items():
        if frame.empty:
            raise DataError(f"the {split} split has no rows; give more rows, or change data.split")
    if frames["train"]["label"].nunique() < 2:
        raise DataError("the training split has one class only after splitting; give more rows of the others")


def deal(
    keys: Sequence[str], labels: Sequence[str], shares: dict[str, float], *, seed: int, stratify: bool = True
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Row numbers of train and of each split in `shares`, and notes.

    Rows with the same key stay together, and count as one. Within a class (of a group, its commonest label) the
    groups are shuffled and dealt by share, rounded so that the totals hold too. The rule for rare classes: with
    fewer than 3 groups a class goes to train; any other class has at least one group in every split. So scikit-learn's
    train_test_split, which gives up on rare classes and knows no groups, is not used.
    """
    group_ids: dict[str, int] = {}
    groups = np.array([group_ids.setdefault(key, len(group_ids)) for key in keys])
    label_of_group, notes = _group_labels(groups, labels)
    names, class_of_group = np.unique(label_of_group, return_inverse=True)
    if not stratify:
        names, class_of_group = np.array(["all"]), np.zeros_like(class_of_group)
    random = np.random.default_rng(seed)
    parts: dict[str, list[int]] = {split: [] for split in shares}
    carried = dict.fromkeys(shares, 0.0)
    rare = []
    for number, name in enumerate(names):
        members = random.permutation(np.flatnonzero(class_of_group == number))
        if len(members) < MIN_GROUPS:
            rare.append(str(name))
            continue
        at = 0
        for split, share in shares.items():
            exact = len(members) * share + carried[split]
            count = max(1, min(round(exact), len(members) - at - 1))
            carried[split] = max(-0.5, min(exact - count, 0.5))
            parts[split].extend(members[at : at + count].tolist())
            at += count
    if rare:
        listed = ", ".join(f"'{label[:40]}'" for label in rare[:5]) + (", ..." if len(rare) > 5 else "")
        notes.append(f"{len(rare)} classes with fewer than {MIN_GROUPS} distinct texts are in train only: {listed}")
    _lead_back(parts, groups, labels, notes)
    rows = {split: np.flatnonzero(np.isin(groups, found)) for split, found in parts.items()}
    out = np.concatenate([*rows.values(), np.empty(0, dtype=np.int64)]).astype(np.int64)
    return {"train": np.setdiff1d(np.arange(len(keys)), out), **rows}, notes


def _group_labels(groups: np.ndarray, labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """The commonest label of each group (the first of equals), and a note on repeated texts."""
    counts: list[Counter[str]] = [Counter() for _ in range(int(groups.max()) + 1)]
    for group, label in zip(groups, labels, strict=True):
        counts[group][label] += 1
    notes = []
    repeated = sum(count.total() > 1 for count in counts)
    if repeated:
        torn = sum(len(count) > 1 for count in counts)
        told = f"; {torn} of them with different labels, kept as they are" if torn else ""
        notes.append(f"{repeated} texts occur more than once: each is kept within one split{told}")
    return [count.most_common(1)[0][0] for count in counts], notes


def _lead_back(parts: dict[str, list[int]], groups: np.ndarray, labels: Sequence[str], notes: list[str]) -> None:
    """Moves a group back to train for every label that train lacks (without stratification, or in torn groups)."""
    away = set().union(*parts.values()) if parts else set()
    in_train = {label for group, label in zip(groups, labels, strict=True) if group not in away}
    for label in sorted(set(labels) - in_train):
        group = next(int(group) for group, found in zip(groups, labels, strict=True) if found == label)
        for part in parts.values():
            if group in part:
                part.remove(group)
        notes.append(f"the class '{label[:40]}' had no row in train: one text of it was moved there")


def subset(labels: np.ndarray, num_rows: int | None, seed: int) -> np.ndarray:
    """`num_rows` row numbers, rising, with the shares of the classes kept; all rows when there are not that many.

    A smaller subset is contained in every larger one of the same seed.
    """
    labels = np.asarray(labels)
    if num_rows is None or num_rows >= len(labels):
        return np.arange(len(labels))
    random = np.random.default_rng(seed)
    place = np.empty(len(labels))
    # Each class is spread evenly over [0, 1): the first rows by place are then a stratified sample of any size.
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + random.random()) / len(members)
    return np.sort(np.argsort(place, kind="stable")[:num_rows])
