"""From measurements to a cell: exact arithmetic on numbers given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.benchmark.summary import noise_of, summarised, with_setup
from harness.records.bench import BenchFile, Cell, Machine, Measurement, Setup


def run(samples: int = 100, seconds: float = 2.0, **changed: Any) -> Measurement:
    facts: dict[str, Any] = {
        "steps_ms": (10.0, 20.0, 30.0),
        "split_ms": {"forward": 8.0},
        "samples": samples,
        "tokens": 10 * samples,
        "positions": 20 * samples,
        "seconds": seconds,
        "precision": "fp32",
        "attention": "eager",
        "batch_size": 8,
        "micro_batch_size": 4,
        "peak_memory_mib": 100.0,
        "model_flops": 4e9,
        "moved_bytes": 1e9,
    }
    return Measurement(**(facts | changed))


def cell(*repeats: Measurement, **changed: Any) -> Cell:
    return Cell(
        **({"checkpoint": "x", "batch_size": 8, "precision": "fp32", "threads": 1, "repeats": repeats} | changed)
    )


SETUP = Setup(device="cpu", threads=1, ceiling={"fp32": 10.0}, memory_bandwidth_gib_per_second=5.0)


def test_rates_are_over_all_repeats() -> None:
    found = summarised(cell(run(), run(samples=300)), SETUP, None)
    assert found.samples_per_second == 100.0
    assert found.tokens_per_second == 1000.0
    assert found.padding_fraction == 0.5
    assert found.model_flops_per_second == 2e9
    assert found.mfu == 0.2
    assert found.intensity == 4.0
    assert found.step_ms is not None
    assert found.step_ms.median == 20.0
    assert found.micro_batch_size == 4
    assert found.split_ms == {"forward": 8.0}


def test_price_and_energy_are_a_million_tokens() -> None:
    energy = {"energy_j": 50.0, "energy_tokens": 1000, "energy_source": "NVML"}
    found = summarised(cell(run(**energy), run(**energy)), SETUP, 3.6)
    assert found.cost_per_million_tokens == pytest.approx(3.6 / 3600 / 500 * 1e6)
    assert found.energy_j_per_million_tokens == pytest.approx(50000.0)
    assert found.energy_source == "NVML"


def test_what_is_not_known_is_null() -> None:
    found = summarised(cell(run(model_flops=None, moved_bytes=None), run(energy_j=1.0)), None, None)
    assert found.mfu is None
    assert found.intensity is None
    assert found.cost_per_million_tokens is None
    assert found.energy_j_per_million_tokens is None
    assert summarised(cell(state="oom"), SETUP, 1.0).samples_per_second is None


def test_noise_is_how_far_repeats_are_apart() -> None:
    assert noise_of([cell(run())]).spread is None
    same = noise_of([cell(run(), run())])
    assert (same.pairs, same.spread) == (1, 0.0)
    pairs = [cell(run(), run(seconds=seconds)) for seconds in (2.2, 2 / 1.1)]
    assert [one.spread for one in pairs] == pytest.approx([0.1, 0.1])
    assert [noise_of([one]).spread for one in pairs] == pytest.approx([0.1, 0.1]), "never more than the widest"
    assert [noise_of([one]).most for one in pairs] == pytest.approx([0.1, 0.1])
    many = noise_of([cell(run(), run()) for _ in range(50)] + [cell(run(), run(seconds=4.0))])
    assert (many.spread, many.most) == (0.0, pytest.approx(1.0)), "one unsteady cell does not decide for all"


def test_noise_covers_19_of_20_pairs() -> None:
    random = np.random.default_rng(0)
    cells = [cell(run(seconds=s), run(seconds=t)) for s, t in np.exp(random.normal(0, 0.02, size=(3000, 2)))]
    spread = noise_of(cells).spread
    assert spread is not None
    assert np.mean([(one.spread or 0.0) <= spread for one in cells]) == pytest.approx(0.95, abs=0.02)


def test_setup_measured_again_keeps_the_best() -> None:
    bench = with_setup(BenchFile(machine=Machine(id="m")), SETUP)
    again = SETUP.model_copy(update={"ceiling": {"fp32": 8.0, "bf16": 30.0}, "memory_bandwidth_gib_per_second": 6.0})
    bench = with_setup(bench, again)
    bench = with_setup(bench, SETUP.model_copy(update={"threads": 2, "ceiling": {"fp32": 19.0}}))
    first = bench.setup("cpu", 1)
    assert first is not None
    assert first.ceiling == {"fp32": 10.0, "bf16": 30.0}
    assert first.memory_bandwidth_gib_per_second == 6.0
    assert bench.machine.ceiling == {"fp32": 19.0, "bf16": 30.0}
    assert len(bench.setups) == 2
