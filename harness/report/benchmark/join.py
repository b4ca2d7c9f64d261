"""Joins the cells of benchmark files by configuration, and finds the cells that must not be compared.

The cells of a joined row must also have the same code and recipe; a difference is a `Conflict`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log
from pathlib import Path
from statistics import fmean
from typing import Any

from harness.errors import InputError
from harness.records.bench import BenchFile, Cell, Setup
from harness.records.bench_files import read_any
from harness.report.kit.text import param, plural

__all__ = ["Conflict", "Joined", "JoinedRow", "Key", "SetUp", "geometric_mean", "joined", "read_setups"]

_MAX_CONFLICTS = 6


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The configuration by which cells of different set-ups are joined."""

    checkpoint: str
    task: str
    mode: str
    length: int | str
    precision: str
    batch_size: int

    @classmethod
    def of(cls, cell: Cell) -> Key:
        """The configuration of a measured cell."""
        return cls(cell.checkpoint, cell.task, cell.mode, cell.length, cell.precision, cell.batch_size)

    @property
    def place(self) -> tuple[Any, ...]:
        """The sort key; a length is a number or the word "study"."""
        word = isinstance(self.length, str)
        length = 0 if word else int(self.length)
        return self.checkpoint, self.mode, self.precision, word, length, self.batch_size

    @property
    def group(self) -> tuple[str, str, str, int | str]:
        """The key without batch size and precision."""
        return self.checkpoint, self.task, self.mode, self.length

    @property
    def title(self) -> str:
        """ "all-MiniLM-L6-v2 train 8 x 64 bf16"."""
        name = self.checkpoint.rstrip("/").rpartition("/")[2]
        return f"{name} {self.mode} {self.batch_size} x {self.length} {self.precision}"


@dataclass(frozen=True, slots=True, eq=False)
class SetUp:
    """The cells of one file on a device with a number of threads: the unit that is compared."""

    label: str
    file: str
    """The file's label, for facts of all its set-ups."""
    bench: BenchFile
    device: str
    threads: int
    cells: Mapping[Key, Cell]
    others: tuple[Cell, ...] = ()
    """Cells without a speed, and those whose batch size was found by search."""

    @property
    def measured(self) -> Setup | None:
        """The set-up as its benchmark file has it."""
        return self.bench.setup(self.device, self.threads)

    @property
    def all_cells(self) -> list[Cell]:
        """All cells with a speed."""
        return [*self.cells.values(), *(cell for cell in self.others if cell.samples_per_second)]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two cells that must not be compared: their title, and the two values of each differing key."""

    title: str
    labels: tuple[str, str]
    differing: Mapping[str, tuple[str, str]]

    def __str__(self) -> str:
        keys = ", ".join(f"{key} {a} / {b}" for key, (a, b) in self.differing.items())
        return f"{self.title} ({self.labels[0]} / {self.labels[1]}): {keys}"


@dataclass(frozen=True, slots=True)
class JoinedRow:
    """The cells of one configuration by index of the set-up; `differing` are keys that differ although compared."""

    key: Key
    cells: Mapping[int, Cell]
    differing: tuple[str, ...] = ()

    def ratio(self, a: int, b: int) -> float | None:
        """The speed of set-up `b` divided by that of `a`; None where one of them has none."""
        first, second = self.cells.get(a), self.cells.get(b)
        if first is None or second is None or not first.samples_per_second or not second.samples_per_second:
            return None
        return second.samples_per_second / first.samples_per_second


@dataclass(frozen=True, slots=True)
class Joined:
    """The joined rows of all set-ups, and the conflicts between cells."""

    setups: Sequence[SetUp]
    rows: Sequence[JoinedRow]
    conflicts: Sequence[Conflict] = field(default_factory=tuple)

    @property
    def common(self) -> list[JoinedRow]:
        """The rows that more than one set-up has."""
        return [row for row in self.rows if len(row.cells) > 1]

    def spread(self, a: int, b: int) -> float | None:
        """The ratio - 1 up to which speeds count as equal: the larger of both files; None without any A/A pair."""
        spreads = [self.setups[place].bench.noise.spread for place in (a, b)]
        return max((spread for spread in spreads if spread is not None), default=None)

    def equal(self, ratio: float, a: int, b: int, row: JoinedRow | None = None) -> bool:
        """True when `ratio` is within the noise of two runs of one cell; with `row` also of that row's own repeats."""
        own = [cell.spread or 0.0 for at, cell in row.cells.items() if at in (a, b)] if row else []
        return abs(log(ratio)) <= log(1 + max(self.spread(a, b) or 0.0, *own, 0.0))

    def speed_up(self, b: int, a: int = 0) -> float | None:
        """The geometric mean of the ratios of all common rows."""
        return geometric_mean(ratio for row in self.rows if (ratio := row.ratio(a, b)) is not None)

    def relative(self, place: int, value: Callable[[Cell], float | None]) -> float | None:
        """The geometric mean of a value relative to the first set-up, over the cells in common with it."""
        pairs = [(value(row.cells[place]), value(row.cells[0])) for row in self.rows if {0, place} <= set(row.cells)]
        return geometric_mean(own / first for own, first in pairs if own and first)


def geometric_mean(ratios: Iterable[float]) -> float | None:
    """The geometric mean; None without ratios."""
    logs = [log(ratio) for ratio in ratios]
    return exp(fmean(logs)) if logs else None


def read_setups(paths: Sequence[Path], *, least: int = 2) -> list[SetUp]:
    """The set-ups of benchmark files, in the files' order.

    Raises:
        InputError: fewer than `least` set-ups, or a file that is not a benchmark file.
    """
    setups = []
    for path in paths:
        bench = read_any(path)
        setups += [(path, bench, *place) for place in dict.fromkeys((c.device, c.threads) for c in bench.cells)]
    if len(setups) < least:
        raise InputError(f"compare needs two or more benchmarked set-ups; the files hold {len(setups)}")
    stems = _stems([path for path, *_ in setups])
    labels = _labels(stems, setups)
    return [
        SetUp(label, stem, bench, device, threads, *_cells(bench, device, threads))
        for label, stem, (_, bench, device, threads) in zip(labels, stems, setups, strict=True)
    ]


def _cells(bench: BenchFile, device: str, threads: int) -> tuple[dict[Key, Cell], tuple[Cell, ...]]:
    cells = [cell for cell in bench.cells if (cell.device, cell.threads) == (device, threads)]
    by_key = {Key.of(cell): cell for cell in cells if cell.samples_per_second and not cell.largest}
    return by_key, tuple(cell for cell in cells if cell not in by_key.values())


def _stems(paths: Sequence[Path]) -> list[str]:
    """The names of the files, with their folders where two files have the same name."""
    names = {path: path.stem for path in paths}
    if len(set(names.values())) == len(names):
        return [path.stem for path in paths]
    return [f"{path.absolute().parent.name}/{path.stem}" for path in paths]


def _labels(stems: Sequence[str], setups: Sequence[tuple[Path, BenchFile, str, int]]) -> list[str]:
    """The names of the files, with device and threads where a file has several set-ups."""
    several = Counter(path for path, *_ in setups)
    labels = [
        f"{stem}, {plural(threads, 'thread') if device == 'cpu' else device}" if several[path] > 1 else stem
        for stem, (path, _, device, threads) in zip(stems, setups, strict=True)
    ]
    twice = Counter(labels)
    return [f"{at}: {label}" if twice[label] > 1 else label for at, label in enumerate(labels, start=1)]


def joined(setups: Sequence[SetUp], *, force: bool = False) -> Joined:
    """Joins the cells of set-ups by configuration.

    Args:
        setups: the others are compared with the first.
        force: compare rows that differ in more than the machine too; they are listed as conflicts.

    Raises:
        InputError: rows are not comparable, or there is none in common; the message names the differing keys.
    """
    keys = sorted({key for setup in setups for key in setup.cells}, key=lambda key: key.place)
    rows, conflicts = [], []
    for key in keys:
        cells = {place: setup.cells[key] for place, setup in enumerate(setups) if key in setup.cells}
        own = _conflicts(key, cells, setups)
        conflicts += own
        rows.append(
            JoinedRow(key, cells, tuple(dict.fromkeys(name for conflict in own for name in conflict.differing)))
        )
    conflicts += [conflict for place in range(1, len(setups)) for conflict in _near_misses(setups, place)]
    result = Joined(setups, rows, conflicts)
    if not force:
        _refuse(result)
    return result


def _conflicts(key: Key, cells: Mapping[int, Cell], setups: Sequence[SetUp]) -> list[Conflict]:
    places = list(cells)
    conflicts = []
    for place in places[1:]:
        differing = _differing(_facts(cells[places[0]]), _facts(cells[place]))
        if differing:
            labels = (setups[places[0]].label, setups[place].label)
            conflicts.append(Conflict(key.title, labels, differing))
    return conflicts


def _facts(cell: Cell) -> dict[str, Any]:
    """The facts that cells of one row must have in common, besides the key."""
    recipe = {f"recipe.{name}": value for name, value in cell.recipe.items()}
    return {"attention": cell.attention, "code": cell.code, **recipe}


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    names = dict.fromkeys((*a, *b))
    return {name: (param(a.get(name)), param(b.get(name))) for name in names if a.get(name) != b.get(name)}


def _near_misses(setups: Sequence[SetUp], place: int) -> list[Conflict]:
    """Conflicts of cells of two set-ups that differ only in batch size or precision, and so have no common row."""
    first, other = setups[0], setups[place]
    left = [key for key in first.cells if key not in other.cells]
    conflicts = []
    for key in (key for key in other.cells if key not in first.cells):
        alike = [first_key for first_key in left if first_key.group == key.group]
        if alike:
            nearest = min(alike, key=lambda first_key: len(_open_differences(first_key, key)))
            conflicts.append(Conflict(nearest.title, (first.label, other.label), _open_differences(nearest, key)))
    return conflicts


def _open_differences(a: Key, b: Key) -> dict[str, tuple[str, str]]:
    names = ("precision", "batch_size")
    return {
        name: (str(getattr(a, name)), str(getattr(b, name))) for name in names if getattr(a, name) != getattr(b, name)
    }


def _refuse(comparison: Joined) -> None:
    if comparison.conflicts:
        lines = [f"  {conflict}" for conflict in comparison.conflicts[:_MAX_CONFLICTS]]
        more = len(comparison.conflicts) - len(lines)
        lines += [f"  and {plural(more, 'more row')}"] if more else []
        rows = plural(len(comparison.conflicts), "row")
        raise InputError(
            "\n".join([f"{rows} cannot be compared, because they differ in more than the machine:", *lines,
                       "measure them alike, or compare them all the same (--force)"])
        )  # fmt: skip
    with_first = {at for row in comparison.rows if 0 in row.cells for at in row.cells}
    joined_files = {comparison.setups[at].file for at in with_first}
    for setup in comparison.setups[1:]:
        if not comparison.common or setup.file not in joined_files | {comparison.setups[0].file}:
            first, other = (next(iter(compared.cells), None) for compared in (comparison.setups[0], setup))
            raise InputError(
                f"{setup.file} has no cell in common with {comparison.setups[0].file}: the first has "
                f"{first.title if first else 'none'}, the other {other.title if other else 'none'}"
            )
