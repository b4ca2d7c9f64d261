"""What `precision: auto` means for a study: once for each kind of device, and the same when it goes on."""

from __future__ import annotations

import pytest

from harness.engines.precisions import Precisions
from harness.records.precision import PrecisionChoice
from harness.records.schema import Place


def place(device: str = "cpu", name: str = "a processor", threads: int = 1, slot: int = 0) -> Place:
    return Place(node="here", device=device, slot=slot, threads=threads, device_name=name)


def choice(precision: str, device: str = "cpu", name: str = "a processor", threads: int = 1) -> PrecisionChoice:
    return PrecisionChoice(device=device, device_name=name, threads=threads, precision=precision)


def test_first_measurement_of_a_kind_counts() -> None:
    precisions = Precisions()
    assert not precisions.is_measured(place())
    precisions.learn(place(), choice("bf16"))
    precisions.learn(place(slot=1), choice("fp32"))
    assert precisions.of(place(slot=1)) == "bf16"
    assert precisions.choices == (choice("bf16"),)


def test_cards_of_one_name_are_one_kind_whatever_their_number_and_threads() -> None:
    precisions = Precisions()
    precisions.learn(place("cuda:0", "card", 4), choice("bf16", "cuda", "card", 0))
    assert precisions.of(place("cuda:3", "card", 8)) == "bf16"
    assert not precisions.is_measured(place("cuda:1", "older card"))


@pytest.mark.parametrize(
    ("each_kind", "now", "expected"),
    [
        (False, ("cpu", "a processor"), "bf16"),
        (False, ("cpu", "another"), "bf16"),
        (True, ("cpu", "another"), "fp32"),
        (False, ("cuda", "card"), "fp32"),
    ],
)
def test_continued_study_keeps_its_precision(each_kind: bool, now: tuple[str, str], expected: str) -> None:
    """Moved to another machine it goes on as it began; a cluster has a choice for each kind; a GPU is another sort."""
    precisions = Precisions([choice("bf16")], each_kind=each_kind)
    device, name = now
    precisions.learn(place(device, name), choice("fp32", device, name, 1 if device == "cpu" else 0))
    assert precisions.of(place(device, name)) == expected


def test_kept_choice_is_recorded_under_the_device_that_it_is_kept_on() -> None:
    recorded: list[PrecisionChoice] = []
    precisions = Precisions([choice("bf16")], on_choice=lambda kept, measured: recorded.append(kept))
    precisions.learn(place(name="another"), choice("fp32", name="another"))
    assert recorded == [choice("bf16", name="another")]
    assert precisions.choices == tuple(recorded)


def test_what_cannot_be_said_is_left_to_the_trial() -> None:
    precisions = Precisions()
    precisions.learn(place(), None)
    assert precisions.is_measured(place())
    assert precisions.of(place()) is None
    assert precisions.choices == ()
