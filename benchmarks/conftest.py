"""The cells of `harness bench` as pytest-benchmark's: which are measured, where, and what goes into its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis  # noqa: F401  its plugin does so at the end, and warns once a worker's code froze what there is
import pytest

from harness.benchmark.ceiling import measure_setup
from harness.benchmark.machine import describe_machine
from harness.benchmark.outcome import probe_config
from harness.benchmark.plan import BenchOptions, PlannedCell, bench_study, default_trial, plan_cells
from harness.benchmark.run import bench_slot
from harness.benchmark.summary import with_setup
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.machine import resources
from harness.machine.slots import Slot
from harness.records.bench import BenchFile, Setup
from harness.records.bench_files import MACHINE
from harness.spec.reader import load_study
from harness.spec.study import StudySpec
from harness.training.host import Host
from harness.training.precision import choose

LISTS = {"checkpoint": str, "batch-size": int, "length": int, "precision": str, "mode": str}
BENCH, SLOT = pytest.StashKey[BenchFile](), pytest.StashKey[Slot]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of `harness bench`, with the same meaning."""
    group = parser.getgroup("harness bench")
    for name in LISTS:
        group.addoption(f"--{name}", help="comma-separated, as for harness bench")
    group.addoption("--study", type=Path, help="a study file; default: made-up texts")
    group.addoption("--device", default="auto", help="as for harness bench")
    group.addoption("--seconds", type=float, default=1.0, help="how long each cell is timed")


def _listed(config: pytest.Config, name: str) -> tuple[Any, ...] | None:
    text = config.getoption(f"--{name}")
    return tuple(LISTS[name](part) for part in text.split(",")) if text else None


def _study(config: pytest.Config) -> StudySpec:
    path = config.getoption("--study")
    return load_study(path) if path else bench_study(_listed(config, "checkpoint"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test a cell."""
    if "planned" not in metafunc.fixturenames:
        return
    config = metafunc.config
    slot = _slot(config)
    options = BenchOptions(
        checkpoints=_listed(config, "checkpoint"),
        batch_sizes=_listed(config, "batch-size"),
        lengths=_listed(config, "length"),
        precisions=_listed(config, "precision"),
        modes=_listed(config, "mode") or ("train",),
        seconds=config.getoption("--seconds"),
    )
    options.check()
    spec = _study(config)
    cells = plan_cells(
        spec,
        options,
        auto=choose(default_trial(spec), prepare(spec), Host(place=slot.inside)).precision,
        accelerator=slot.place.device != "cpu",
        own_texts=bool(config.getoption("--study")),
    )
    metafunc.parametrize("planned", cells, ids=_name)


def _name(planned: PlannedCell) -> str:
    training = planned.config.training
    size = f"{training.batch_size}x{planned.setting('length')}"
    return f"{planned.checkpoint.rpartition('/')[2]}-{planned.setting('mode')}-{size}-{training.precision}"


def _slot(config: pytest.Config) -> Slot:
    if SLOT not in config.stash:
        config.stash[SLOT] = bench_slot(config.getoption("--device"), resources.cores())
    return config.stash[SLOT]


def _bench(config: pytest.Config) -> BenchFile:
    """This machine, its ceilings measured once a session."""
    if BENCH not in config.stash:
        slot = _slot(config)
        spec = _study(config)
        probe = probe_config(default_trial(spec), _listed(config, "precision") or ("fp32",))
        found = next(iter(measure_setup(probe, str(prepare(spec).folder), Host(place=slot.inside))))
        setup = Setup.model_validate(found.document).model_copy(update={"device": slot.place.device})
        config.stash[BENCH] = with_setup(BenchFile(machine=describe_machine()), setup)
    return config.stash[BENCH]


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """What `harness compare` wants to know of the machine."""
    machine_info[MACHINE] = _bench(config).model_dump(mode="json", include={"format", "machine", "setups"})


@pytest.fixture(scope="session")
def slot(request: pytest.FixtureRequest) -> Slot:
    return _slot(request.config)


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> BenchFile:
    return _bench(request.config)


@pytest.fixture(scope="session")
def data(request: pytest.FixtureRequest) -> PreparedData:
    return prepare(_study(request.config))
