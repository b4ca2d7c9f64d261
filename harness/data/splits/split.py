"""Splits rows into train, validation and test: stratified and seeded, or in order; without a text in two of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.kinds import are_events, duplicate_keys, kind_of, strata_of
from harness.data.read import Tables
from harness.data.splits.extra import GROUP, ORDER
from harness.data.splits.units import cut_in_order, units_of
from harness.errors import DataError
from harness.spec.study import SplitSpec
from harness.spec.tasks import TaskFacts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["deal", "split_tables", "subset"]

#: A stratum with fewer distinct texts than this cannot be in all three splits: all of it goes to train.
MIN_GROUPS = 3


def split_tables(tables: Tables, spec: SplitSpec, facts: TaskFacts) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Returns the three splits and notes on what was moved or dropped.

    A given test split is never changed. Rows of test leave train and validation, rows of validation leave train. A
    missing split is its share of train: by strata, or the last rows in the order of `split.by`. The groups of
    `split.group` never straddle train and a split that is made here.

    Raises:
        DataError: a split has no rows left, or nothing can be learned from train.
    """
    tables_by_split = {"train": tables.train, "validation": tables.validation, "test": tables.test}
    frames = {split: frame for split, frame in tables_by_split.items() if frame is not None}
    notes: list[str] = []
    for split, others in (("validation", ["test"]), ("train", ["test", "validation"])):
        for other in (other for other in others if other in frames and split in frames):
            frames[split] = _without(frames[split], frames[other], split, other, notes, facts)
    unit = tables.columns.get(facts.unit.name) if facts.unit else None
    group = spec.group or unit or ""
    notes += _given_notes(frames, spec, group)
    shares = {split: share for split, share in _shares(spec).items() if split not in frames}
    if shares:
        train = frames["train"].reset_index(drop=True)
        parts, moved = _parts(train, shares, spec, facts, group)
        frames |= {split: train.iloc[rows] for split, rows in parts.items()}
        notes += moved
    _check(frames, facts)
    kept = {split: frame.drop(columns=[ORDER, GROUP], errors="ignore") for split, frame in frames.items()}
    return {split: kept[split].reset_index(drop=True) for split in tables_by_split}, notes


def _parts(
    train: pd.DataFrame, shares: dict[str, float], spec: SplitSpec, facts: TaskFacts, group: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Returns the row numbers of train and of each split in `shares`, and notes; `group` is the column of groups."""
    texts, strata = duplicate_keys(train, facts), strata_of(train, facts).tolist()
    units = units_of(texts, train[GROUP].tolist()) if GROUP in train else units_of(texts)
    needed = len(shares) + 1 if ORDER in train else MIN_GROUPS
    if GROUP in train and (num_units := len(set(units.tolist()))) < needed:
        raise DataError(_few_groups(group, train[GROUP].nunique(), num_units, needed))
    notes = _repeated_note(texts, strata, facts.nouns)
    if ORDER in train:
        parts = cut_in_order(units, train[ORDER].to_numpy(dtype=np.int64), shares)
        return parts, notes
    what = f"groups ('{group}')" if GROUP in train else "texts"
    parts, moved = deal(
        units.tolist(), strata, shares, nouns=facts.nouns, seed=spec.seed, stratify=spec.stratify, what=what
    )
    return parts, notes + moved


def _few_groups(group: str, num_groups: int, num_units: int, needed: int) -> str:
    """Returns the message for fewer groups than a split needs; groups that share a text count as one unit."""
    of_one = f", which count as {num_units} because they share texts" if num_units < num_groups else ""
    groups = "group" if num_groups == 1 else "groups"
    return (
        f"data.split.group: '{group}' has {num_groups} {groups}{of_one}, and rows of one stay in one split: at least "
        f"{needed} are needed; name a column with more, or give the splits as files of a folder"
    )


def _given_notes(frames: dict[str, pd.DataFrame], spec: SplitSpec, group: str) -> list[str]:
    """Returns how far the given splits break the order or straddle groups: they stay as they are.

    `group` is the column of groups.
    """
    notes = []
    for split, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        if split not in frames or other not in frames:
            continue
        rows, others = frames[split], frames[other]
        if GROUP in rows and (shared := int(rows[GROUP].isin(others[GROUP]).sum())):
            notes.append(
                f"{shared} of {len(rows)} rows of {split} share their '{group}' with rows of {other}: given "
                "splits stay as they are (data.split.group)"
            )
        if ORDER in rows and (early := int(others[ORDER].between(0, rows[ORDER].max() - 1).sum())):
            notes.append(
                f"{early} of {len(others)} rows of {other} come before the last row of {split} in the order of "
                f"'{spec.by}': given splits stay as they are (data.split.by)"
            )
    return notes


def _shares(spec: SplitSpec) -> dict[str, float]:
    return {"validation": spec.validation, "test": spec.test}


def _without(
    frame: pd.DataFrame, other: pd.DataFrame, name: str, other_name: str, notes: list[str], facts: TaskFacts
) -> pd.DataFrame:
    if are_events(frame, facts):
        return frame
    other_keys = set(duplicate_keys(other, facts))
    shared = np.array([key in other_keys for key in duplicate_keys(frame, facts)], dtype=bool)
    if shared.all() and len(frame):
        raise DataError(
            f"all {len(frame)} rows of {name} have a text that is in {other_name} too, so none is left to use; take "
            f"them out of {other_name}, or give one table alone, which is split here"
        )
    if shared.any():
        notes.append(f"{int(shared.sum())} rows of {name} have a text that is in {other_name} too: they left {name}")
    return frame[~shared]


def _check(frames: dict[str, pd.DataFrame], facts: TaskFacts) -> None:
    for split, frame in frames.items():
        if frame.empty:
            raise DataError(f"the {split} split has no rows; give more rows, or change data.split")
    if facts.target:
        kind_of(facts.target).check_split(frames["train"][facts.target.name].tolist())


def deal(
    keys: Sequence[Any],
    strata: Sequence[Any],
    shares: dict[str, float],
    *,
    nouns: tuple[str, str],
    seed: int,
    stratify: bool = True,
    what: str = "texts",
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Returns row numbers of train and of each split in `shares`, and notes.

    `nouns` are those of the targets, whose strata are given; `what` are the keys, for the notes.

    Rows with the same key are a group, which stays together and counts as one. A group belongs to the commonest
    stratum of its rows. Within a stratum the groups are shuffled and dealt by share, rounded so that the totals hold
    too. A stratum with fewer than 3 groups goes to train; any other has at least one group in every split. Where the
    targets have names, each stratum is in train. Where a split would be empty, the strata are not used. scikit-learn's
    train_test_split fails on rare strata and has no groups, so it is not used.
    """
    group_ids: dict[Any, int] = {}
    groups = np.array([group_ids.setdefault(key, len(group_ids)) for key in keys])
    names, group_strata = np.unique(_group_strata(groups, strata), return_inverse=True)
    if not stratify:
        names, group_strata = np.array(["all"]), np.zeros_like(group_strata)
    random = np.random.default_rng(seed)
    parts: dict[str, list[int]] = {split: [] for split in shares}
    carried = dict.fromkeys(shares, 0.0)
    rare, notes = [], list[str]()
    for number, name in enumerate(names):
        members = random.permutation(np.flatnonzero(group_strata == number))
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
    if stratify and not all(parts.values()) and len(group_ids) >= MIN_GROUPS:
        return deal(keys, strata, shares, nouns=nouns, seed=seed, stratify=False, what=what)
    if any(nouns):
        if rare and stratify:
            listed = ", ".join(f"'{name[:40]}'" for name in rare[:5]) + (", ..." if len(rare) > 5 else "")
            notes.append(
                f"{len(rare)} {nouns[1]} with fewer than {MIN_GROUPS} distinct {what} are in train only: {listed}"
            )
        _return_to_train(parts, groups, strata, nouns[0], notes)
    rows = {split: np.flatnonzero(np.isin(groups, members)) for split, members in parts.items()}
    out = np.concatenate([*rows.values(), np.empty(0, dtype=np.int64)]).astype(np.int64)
    return {"train": np.setdiff1d(np.arange(len(keys)), out), **rows}, notes


def _group_strata(groups: np.ndarray, strata: Sequence[Any]) -> list[Any]:
    """Returns the commonest stratum of each group, the first of equals."""
    return [count.most_common(1)[0][0] for count in _counts_by_group(groups.tolist(), strata)]


def _repeated_note(texts: Sequence[str], strata: Sequence[Any], nouns: tuple[str, str]) -> list[str]:
    """Returns a note on texts that occur more than once; empty where there are none."""
    counts = _counts_by_group(texts, strata)
    repeated = sum(count.total() > 1 for count in counts)
    num_mixed = sum(len(count) > 1 for count in counts) if any(nouns) else 0
    kept = f"; {num_mixed} of them with different {nouns[1]}, kept as they are" if num_mixed else ""
    return [f"{repeated} texts occur more than once: each is kept within one split{kept}"] if repeated else []


def _counts_by_group(groups: Sequence[Any], strata: Sequence[Any]) -> list[Counter[Any]]:
    """Returns how often each stratum occurs in each group, in the order of the groups' first rows."""
    counts: dict[Any, Counter[Any]] = {}
    for group, stratum in zip(groups, strata, strict=True):
        counts.setdefault(group, Counter())[stratum] += 1
    return list(counts.values())


def _return_to_train(
    parts: dict[str, list[int]], groups: np.ndarray, strata: Sequence[str], noun: str, notes: list[str]
) -> None:
    """Moves a group back to train for every stratum that train lacks (without stratification, or in mixed groups)."""
    away = set().union(*parts.values()) if parts else set()
    in_train = {stratum for group, stratum in zip(groups, strata, strict=True) if group not in away}
    for stratum in sorted(set(strata) - in_train):
        group = next(int(group) for group, other in zip(groups, strata, strict=True) if other == stratum)
        for part in parts.values():
            if group in part:
                part.remove(group)
        notes.append(f"the {noun} '{stratum[:40]}' had no row in train: some of it was moved there")


def subset(strata: np.ndarray, num_rows: int | None, seed: int) -> np.ndarray:
    """Returns `num_rows` row numbers, rising, in which each stratum keeps its share; all rows if there are fewer.

    Each stratum has a row where there are twice as many rows as strata. A smaller subset is contained in every larger
    one of the same seed.
    """
    strata = np.asarray(strata)
    if num_rows is None or num_rows >= len(strata):
        return np.arange(len(strata))
    random, names = np.random.default_rng(seed), np.unique(strata)
    place = np.empty(len(strata))
    is_first = np.zeros(len(strata), dtype=bool)
    # Each stratum is spread evenly over [0, 1): the first rows by place are then a stratified sample of any size.
    for stratum in names:
        members = random.permutation(np.flatnonzero(strata == stratum))
        place[members] = (np.arange(len(members)) + random.random()) / len(members)
        is_first[members[0]] = True
    order = np.argsort(place, kind="stable")
    start, rest = order[: len(names)], order[len(names) :]
    return np.sort(np.concatenate([start, rest[is_first[rest]], rest[~is_first[rest]]])[:num_rows])
