from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records.profile import Phase, Phases, Profile, profile_of
from harness.records.results import Results
from harness.records.schema import Progress, Span, TrialRecord, TrialState, Usage, record_of
from tests.report.factory import make_results


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_results(tmp_path_factory.mktemp("profile"), trials=2, fail_every=0, confirm=1)


def trial(template: TrialRecord, *spans: tuple[int, float, float], **usage: float) -> TrialRecord:
    """A complete trial with these spans (slot, start, end) and this use of time."""
    last = template.history[-1].model_copy(update={"usage": Usage(elapsed_s=sum(usage.values()), **usage)})
    history: tuple[Progress, ...] = (last,) if usage else ()
    on = tuple(Span(slot=slot, start=start, end=end) for slot, start, end in spans)
    return record_of(template.config, TrialState.COMPLETE, history, spans=on)


def profiled(finished: Results, trials: list[TrialRecord], *, slots: int = 1) -> Profile:
    """Of a sweep with 2 s of preparing, 10 s of search and 1 s of the rest."""
    seen: dict[Phase, tuple[float, float]] = {
        "preparing": (98.0, 100.0),
        "search": (100.0, 110.0),
        "concluding": (110.0, 110.5),
        "report": (110.5, 111.0),
    }
    return profile_of(replace(finished, trials=tuple(trials), confirm=()), seen, slots)


def test_profile_counts_each_second_once(finished: Results) -> None:
    one = trial(finished.trials[0], (0, 101, 105), start_s=0.5, data_s=0.1, step_s=2.4, evaluation_s=0.75)
    profile = profiled(finished, [one])
    assert profile.wall_s == 13
    assert profile.phases == {"preparing": 2, "search": 10, "concluding": 0.5, "report": 0.5}
    (slot,) = profile.slots
    expected = {"waking": 1, "start": 0.5, "data": 0.1, "step": 2.4, "evaluation": 0.75, "saving": 0, "ending": 0.25}
    assert slot.parts == pytest.approx(expected | {"idle": 5})


def test_profile_divides_a_moved_trial_by_its_time_on_each_slot(finished: Results) -> None:
    moved = trial(finished.trials[0], (0, 100, 103), (1, 104, 105), step_s=4.0)
    steps = [slot.parts["step"] for slot in profiled(finished, [moved], slots=2).slots]
    assert steps == pytest.approx([3, 1])


def test_profile_leaves_out_what_an_earlier_sweep_did(finished: Results) -> None:
    """Its spans lie before the window, and its part of a trial's clock goes with them."""
    continued = trial(finished.trials[0], (0, 40, 42), (0, 100, 102), step_s=4.0)
    resumed = trial(finished.trials[1], (0, 102, 104), step_s=20.0)  # its clock ran on, its spans are new
    (slot,) = profiled(finished, [continued, resumed]).slots
    assert slot.parts["step"] == pytest.approx(4)


def test_profile_of_a_trial_without_an_evaluation_is_ending(finished: Results) -> None:
    (slot,) = profiled(finished, [trial(finished.trials[0], (0, 100, 103))]).slots
    assert slot.parts["ending"] == pytest.approx(3)


def test_profile_of_a_slot_without_a_trial_is_waking(finished: Results) -> None:
    slots = profiled(finished, [trial(finished.trials[0], (0, 100, 103), step_s=3.0)], slots=2).slots
    assert slots[1].parts["waking"] == 10
    assert sum(slots[1].parts.values()) == 10


Works = st.lists(st.tuples(st.floats(0.01, 3), st.floats(0, 1), st.floats(0, 1.5)), max_size=6)


@given(works=Works)
def test_profile_parts_add_up_to_the_phase(finished: Results, works: list[tuple[float, float, float]]) -> None:
    """Trials one after the other on a slot: whatever they took and waited, as long as they fit into the phase."""
    trials, at = [], 100.0
    for work_s, share, pause_s in works:
        if at + pause_s + work_s <= 110:
            at += pause_s + work_s
            trials.append(trial(finished.trials[0], (0, at - work_s, at), step_s=work_s * share))
    (slot,) = profiled(finished, trials).slots
    assert sum(slot.parts.values()) == pytest.approx(10)


def test_phases_follow_each_other_without_gap() -> None:
    ticks: Iterator[float] = iter([10.0, 12.0, 15.0, 16.0])
    phases = Phases(clock=lambda: next(ticks), age_s=3.0)
    phases.go("search")
    phases.go("report")
    assert phases.stop() == {"preparing": (7, 12), "search": (12, 15), "report": (15, 16)}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the age of a process is read from /proc")
def test_phases_begin_when_the_process_did() -> None:
    import psutil

    start, _ = Phases().stop()["preparing"]
    # psutil knows the boot time to a second.
    assert start == pytest.approx(psutil.Process().create_time(), abs=1.5)
    assert start < time.time()
