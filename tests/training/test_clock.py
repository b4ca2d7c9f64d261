from __future__ import annotations

import time

import pytest

from harness.training.clock import Clock


def test_clock_parts_add_up_to_elapsed() -> None:
    clock = Clock()
    for part in ("start", "data", "step", "evaluation"):
        clock.go(part)
        time.sleep(0.002)
    clock.stop()
    usage = clock.usage()
    assert sum(usage.times().values()) == pytest.approx(usage.elapsed_s)
    assert all(usage.times()[part] >= 0.002 for part in ("start", "data", "step", "evaluation"))


def test_clock_stands_still_between_stop_and_go() -> None:
    clock = Clock()
    clock.go("step")
    clock.stop()
    before = clock.usage().elapsed_s
    time.sleep(0.005)
    assert clock.usage().elapsed_s == before


def test_clock_counts_steady_samples_apart() -> None:
    clock = Clock()
    clock.go("step")
    clock.count(samples=8, tokens=50, positions=80)
    clock.start_steady(1)
    clock.count(samples=4, tokens=30, positions=40)
    clock.end_steady()
    usage = clock.usage()
    assert (usage.samples, usage.steady_samples, usage.steady_tokens) == (12, 4, 30)
    assert usage.padding_fraction == pytest.approx(1 - 80 / 120)
    assert usage.samples_per_second == pytest.approx(4 / usage.steady_s)


def test_clock_reads_the_steady_rate_from_the_fewest_threads() -> None:
    clock = Clock()
    for threads, samples in ((2, 100), (1, 4), (2, 100), (1, 3)):
        clock.start_steady(threads)
        clock.count(samples=samples, tokens=samples, positions=samples)
        clock.end_steady()
    assert (clock.usage().steady_threads, clock.usage().steady_samples, clock.usage().samples) == (1, 7, 207)


def test_clock_goes_on_from_an_earlier_usage() -> None:
    first = Clock()
    first.go("step")
    time.sleep(0.002)
    first.stop()
    second = Clock(first.usage())
    second.memory(12.0)
    assert second.usage().step_s == first.usage().step_s
    assert second.usage().peak_memory_mib == 12.0


def test_clock_counts_predictions_with_the_fewest_threads() -> None:
    """Three rows on two threads are no part of what one thread predicts, before or after."""
    clock = Clock()
    for samples, threads in ((3, 2), (5, 1), (3, 2), (2, 1)):
        with clock.predicting(samples, threads):
            time.sleep(0.002)
    usage = clock.usage()
    assert usage.predict_samples == 7
    assert usage.predict_s >= 0.004
    assert usage.predicted_samples_per_second == pytest.approx(7 / usage.predict_s)
