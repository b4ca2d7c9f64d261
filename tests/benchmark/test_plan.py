"""Which cells follow from a study and from what was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.benchmark.plan import BenchOptions, PlannedCell, bench_study, plan_cells
from harness.errors import InputError
from harness.spec.reader import load_study
from harness.spec.study import StudySpec

STUDIES = Path(__file__).parents[2] / "studies"


def smoke(*overrides: str) -> StudySpec:
    return load_study(STUDIES / "smoke.yaml", overrides)


def plan(
    spec: StudySpec, *, auto: str = "bf16", accelerator: bool = False, own: bool = True, **options: Any
) -> list[PlannedCell]:
    return plan_cells(spec, BenchOptions(**options), auto=auto, accelerator=accelerator, own_texts=own)


def settings(cells: list[PlannedCell]) -> list[tuple[Any, ...]]:
    return [
        (one.setting("length"), one.config.training.batch_size, one.config.training.precision, one.setting("mode"))
        for one in cells
    ]


def test_study_says_what_is_measured() -> None:
    assert settings(plan(smoke())) == [("study", 8, "bf16", "train"), ("study", 16, "bf16", "train")]


def test_range_of_batch_sizes_is_measured_at_three() -> None:
    cells = plan(smoke("training.batch_size={low: 4, high: 64}"))
    assert [one.config.training.batch_size for one in cells] == [4, 16, 64]


def test_lists_are_multiplied_small_cells_first() -> None:
    cells = plan(smoke(), batch_sizes=(8, 1), lengths=(32, 16), precisions=("fp32", "bf16"), modes=("train", "predict"))
    assert len({one.id for one in cells}) == len(cells) == 16
    assert settings(cells)[:4] == [
        (16, 1, "fp32", "train"),
        (16, 8, "fp32", "train"),
        (32, 1, "fp32", "train"),
        (32, 8, "fp32", "train"),
    ]


def test_auto_is_not_measured_twice() -> None:
    assert [
        one.config.training.precision
        for one in plan(smoke(), auto="fp32", precisions=("auto", "fp32"), batch_sizes=(1,))
    ] == ["fp32"]


def test_checkpoints_of_the_command_line_take_the_place_of_the_studys() -> None:
    cells = plan(smoke(), checkpoints=("scratch", "scratch#layers=1"), batch_sizes=(4,))
    assert [(one.checkpoint, one.config.model.layers) for one in cells] == [("scratch", None), ("scratch#layers=1", 1)]


def test_identity_leaves_out_how_long_it_is_timed() -> None:
    first, longer = (plan(smoke(), batch_sizes=(4,), seconds=seconds)[0] for seconds in (1.0, 9.0))
    wider, large = plan(smoke(), batch_sizes=(4, 512))
    other = plan(smoke("model.dropout=0.3"), batch_sizes=(4,))[0]
    assert first.id == longer.id == wider.id
    assert wider.setting("rows") == first.setting("rows"), "a large batch beside it takes nothing from a small one"
    assert large.setting("rows") == 4 * 512
    assert other.id != first.id


def test_without_a_study_lengths_are_fixed() -> None:
    cells = plan(bench_study(("some/checkpoint",)), own=False, auto="fp32")
    assert {one.setting("length") for one in cells} == {16, 64, 256}
    assert {one.config.training.batch_size for one in cells} == {1, 8, 32}
    assert {one.checkpoint for one in cells} == {"some/checkpoint"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precisions": ("bf15",)}, "did you mean 'bf16'"),
        ({"modes": ("trian",)}, "did you mean 'train'"),
        ({"batch_sizes": (0,)}, "--batch-size: numbers must be at least 1"),
        ({"lengths": (-3,)}, "--length"),
        ({"threads": (0,)}, "--threads"),
        ({"repeats": 1}, "--repeats 1: at least 2"),
        ({"seconds": 0.0}, "--seconds"),
        ({"seconds": float("nan")}, "--seconds"),
        ({"price_per_hour": -1.0}, "--price-per-hour"),
        ({"price_per_hour": float("inf")}, "--price-per-hour"),
        ({"threads": (10_000,)}, "--threads 10000: this process may use"),
        ({"price_per_hour": float("nan")}, "--price-per-hour"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        BenchOptions(**options).check()


def test_largest_batch_is_for_accelerators_in_training() -> None:
    with pytest.raises(InputError, match="on a CPU give numbers"):
        plan(smoke(), batch_sizes=("max",))
    with pytest.raises(InputError, match="--mode train"):
        plan(smoke(), batch_sizes=("max",), modes=("train", "predict"), accelerator=True)
    cells = plan(smoke(), batch_sizes=(4, "max"), accelerator=True)
    assert [one.setting("largest") for one in cells] == [False, True]


def test_study_lengths_need_a_study() -> None:
    with pytest.raises(InputError, match="--length study needs a study"):
        plan(bench_study(("x",)), own=False, lengths=("study",))
    with pytest.raises(InputError, match="architecture"):
        bench_study(("scratch",))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"batch_sizes": (8,)}, "--batch-size: no"),
        ({"checkpoints": ("x",)}, "--checkpoint: no"),
        ({"modes": ("predict",)}, "--mode: no"),
        ({"threads": (1,)}, "--threads: no"),
        ({"device": "cpu"}, "--device: no"),
    ],
)
def test_options_without_effect_are_refused(given: dict[str, Any], said: str) -> None:
    BenchOptions(seconds=9.0, price_per_hour=1.0).refuse_all_but("no", "seconds", "price_per_hour")
    with pytest.raises(InputError, match=said):
        BenchOptions(**given).refuse_all_but("no", "seconds")
