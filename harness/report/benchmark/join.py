"""Benchmark files side by side: set-ups, the cells they have in common, and those that must not be compared.

Knows nothing of figures or HTML. Cells are joined by configuration; a joined row must be of the same program too.
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

__all__ = ["Conflict", "Joined", "Key", "Row", "SetUp", "geometric_mean", "joined", "read_setups"]

_SHOWN = 6


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What makes two cells the same question."""

    checkpoint: str
    task: str
    mode: str
    length: int | str
    precision: str
    batch_size: int

    @classmethod
    def of(cls, cell: Cell) -> Key:
        return cls(cell.checkpoint, cell.task, cell.mode, cell.length, cell.precision, cell.batch_size)

    @property
    def place(self) -> tuple[Any, ...]:
        """In order of size: lengths are numbers or a word."""
        word = isinstance(self.length, str)
        length = 0 if word else int(self.length)
        return self.checkpoint, self.mode, self.precision, word, length, self.batch_size

    @property
    def group(self) -> tuple[str, str, str, int | str]:
        """What stays when batch size and precision are left open."""
        return self.checkpoint, self.task, self.mode, self.length

    @property
    def title(self) -> str:
        """ "all-MiniLM-L6-v2 train 8 x 64 bf16"."""
        name = self.checkpoint.rstrip("/").rpartition("/")[2]
        return f"{name} {self.mode} {self.batch_size} x {self.length} {self.precision}"


@dataclass(frozen=True, slots=True, eq=False)
class SetUp:
    """A device with so many threads, of one file: what is compared."""

    label: str
    file: str
    """The file's label, for what holds of all its set-ups."""
    bench: BenchFile
    device: str
    threads: int
    cells: Mapping[Key, Cell]
    others: tuple[Cell, ...] = ()
    """Cells without a number, and those whose batch size was found by search."""

    @property
    def measured(self) -> Setup | None:
        return self.bench.setup(self.device, self.threads)

    @property
    def all_cells(self) -> list[Cell]:
        """Everything that has a number."""
        return [*self.cells.values(), *(cell for cell in self.others if cell.samples_per_second)]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A row that is not like for like: its title and the two values of each differing key."""

    title: str
    labels: tuple[str, str]
    differing: Mapping[str, tuple[str, str]]

    def __str__(self) -> str:
        keys = ", ".join(f"{key} {a} / {b}" for key, (a, b) in self.differing.items())
        return f"{self.title} ({self.labels[0]} / {self.labels[1]}): {keys}"


@dataclass(frozen=True, slots=True)
class Row:
    """One configuration in several set-ups, by their place; `differing` where it was compared all the same."""

    key: Key
    cells: Mapping[int, Cell]
    differing: tuple[str, ...] = ()

    def ratio(self, a: int, b: int) -> float | None:
        """How many times as fast as `a` is `b`."""
        first, second = self.cells.get(a), self.cells.get(b)
        if first is None or second is None or not first.samples_per_second or not second.samples_per_second:
            return None
        return second.samples_per_second / first.samples_per_second


@dataclass(frozen=True, slots=True)
class Joined:
    """All rows, and what keeps some from being compared."""

    setups: Sequence[SetUp]
    rows: Sequence[Row]
    conflicts: Sequence[Conflict] = field(default_factory=tuple)

    @property
    def common(self) -> list[Row]:
        """The rows that more than one set-up has."""
        return [row for row in self.rows if len(row.cells) > 1]

    def spread(self, a: int, b: int) -> float | None:
        """The ratio - 1 below which a difference is none: the larger one; None when neither file has an A/A pair."""
        found = [self.setups[place].bench.noise.spread for place in (a, b)]
        return max((each for each in found if each is not None), default=None)

    def equal(self, ratio: float, a: int, b: int, row: Row | None = None) -> bool:
        """True when the difference is within what two runs of the same differ by; of a row, its own runs too."""
        own = [cell.spread or 0.0 for at, cell in row.cells.items() if at in (a, b)] if row else []
        return abs(log(ratio)) <= log(1 + max(self.spread(a, b) or 0.0, *own, 0.0))

    def speed_up(self, b: int, a: int = 0) -> float | None:
        """The geometric mean of the ratios of all common rows."""
        return geometric_mean(ratio for row in self.rows if (ratio := row.ratio(a, b)) is not None)

    def relative(self, place: int, value: Callable[[Cell], float | None]) -> float | None:
        """The geometric mean, over the cells in common with the first set-up, of a value in times the first one's."""
        pairs = [(value(row.cells[place]), value(row.cells[0])) for row in self.rows if {0, place} <= set(row.cells)]
        return geometric_mean(mine / first for mine, first in pairs if mine and first)


def geometric_mean(ratios: Iterable[float]) -> float | None:
    """The mean for ratios; None of none."""
    found = [log(ratio) for ratio in ratios]
    return exp(fmean(found)) if found else None


def read_setups(paths: Sequence[Path], *, least: int = 2) -> list[SetUp]:
    """The set-ups of benchmark files, in the files' order.

    Raises:
        InputError: fewer than `least` set-ups, or a file that is none of ours.
    """
    found = []
    for path in paths:
        bench = read_any(path)
        found += [(path, bench, *where) for where in dict.fromkeys((c.device, c.threads) for c in bench.cells)]
    if len(found) < least:
        raise InputError(f"compare needs two or more benchmarked set-ups; the files hold {len(found)}")
    stems = _stems([path for path, *_ in found])
    labels = _labels(stems, found)
    return [
        SetUp(label, stem, bench, device, threads, *_cells(bench, device, threads))
        for label, stem, (_, bench, device, threads) in zip(labels, stems, found, strict=True)
    ]


def _cells(bench: BenchFile, device: str, threads: int) -> tuple[dict[Key, Cell], tuple[Cell, ...]]:
    here = [cell for cell in bench.cells if (cell.device, cell.threads) == (device, threads)]
    plain = {Key.of(cell): cell for cell in here if cell.samples_per_second and not cell.largest}
    return plain, tuple(cell for cell in here if cell not in plain.values())


def _stems(paths: Sequence[Path]) -> list[str]:
    """The files' names; with the folder where that is needed to tell two apart."""
    unlike = {path: path.stem for path in paths}
    if len(set(unlike.values())) == len(unlike):
        return [path.stem for path in paths]
    return [f"{path.absolute().parent.name}/{path.stem}" for path in paths]


def _labels(stems: Sequence[str], found: Sequence[tuple[Path, BenchFile, str, int]]) -> list[str]:
    """The files' names; with device and threads where a file has several set-ups."""
    several = Counter(path for path, *_ in found)
    labels = [
        f"{stem}, {plural(threads, 'thread') if device == 'cpu' else device}" if several[path] > 1 else stem
        for stem, (path, _, device, threads) in zip(stems, found, strict=True)
    ]
    twice = Counter(labels)
    return [f"{at}: {label}" if twice[label] > 1 else label for at, label in enumerate(labels, start=1)]


def joined(setups: Sequence[SetUp], *, force: bool = False) -> Joined:
    """Joins by configuration.

    Args:
        setups: the first is what the others are compared with.
        force: compare rows that differ in more than the machine too, and say so.

    Raises:
        InputError: rows are not comparable, or there is none in common; the message names the differing keys.
    """
    keys = sorted({key for setup in setups for key in setup.cells}, key=lambda key: key.place)
    rows, conflicts = [], []
    for key in keys:
        cells = {place: setup.cells[key] for place, setup in enumerate(setups) if key in setup.cells}
        found = _conflicts(key, cells, setups)
        conflicts += found
        rows.append(Row(key, cells, tuple(dict.fromkeys(name for one in found for name in one.differing))))
    conflicts += [one for place in range(1, len(setups)) for one in _near_misses(setups, place)]
    result = Joined(setups, rows, conflicts)
    if not force:
        _refuse(result)
    return result


def _conflicts(key: Key, cells: Mapping[int, Cell], setups: Sequence[SetUp]) -> list[Conflict]:
    places = list(cells)
    found = []
    for place in places[1:]:
        differing = _differing(_facts(cells[places[0]]), _facts(cells[place]))
        if differing:
            labels = (setups[places[0]].label, setups[place].label)
            found.append(Conflict(key.title, labels, differing))
    return found


def _facts(cell: Cell) -> dict[str, Any]:
    """What must be the same, besides the key."""
    recipe = {f"recipe.{name}": value for name, value in cell.recipe.items()}
    return {"attention": cell.attention, "code": cell.code, **recipe}


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    names = dict.fromkeys((*a, *b))
    return {name: (param(a.get(name)), param(b.get(name))) for name in names if a.get(name) != b.get(name)}


def _near_misses(setups: Sequence[SetUp], place: int) -> list[Conflict]:
    """Cells of the first set-up and another that would be one row, were batch size and precision the same."""
    first, other = setups[0], setups[place]
    left = [key for key in first.cells if key not in other.cells]
    found = []
    for key in (key for key in other.cells if key not in first.cells):
        alike = [mine for mine in left if mine.group == key.group]
        if alike:
            nearest = min(alike, key=lambda mine: len(_open(mine, key)))
            found.append(Conflict(nearest.title, (first.label, other.label), _open(nearest, key)))
    return found


def _open(a: Key, b: Key) -> dict[str, tuple[str, str]]:
    names = ("precision", "batch_size")
    return {
        name: (str(getattr(a, name)), str(getattr(b, name))) for name in names if getattr(a, name) != getattr(b, name)
    }


def _refuse(found: Joined) -> None:
    if found.conflicts:
        lines = [f"  {conflict}" for conflict in found.conflicts[:_SHOWN]]
        more = len(found.conflicts) - len(lines)
        lines += [f"  and {plural(more, 'more row')}"] if more else []
        rows = plural(len(found.conflicts), "row")
        raise InputError(
            "\n".join([f"{rows} cannot be compared, because they differ in more than the machine:", *lines,
                       "measure them alike, or compare them all the same (--force)"])
        )  # fmt: skip
    with_first = {at for row in found.rows if 0 in row.cells for at in row.cells}
    joined_files = {found.setups[at].file for at in with_first}
    for setup in found.setups[1:]:
        if not found.common or setup.file not in joined_files | {found.setups[0].file}:
            first, other = (next(iter(each.cells), None) for each in (found.setups[0], setup))
            raise InputError(
                f"{setup.file} has no cell in common with {found.setups[0].file}: the first has "
                f"{first.title if first else 'none'}, the other {other.title if other else 'none'}"
            )
