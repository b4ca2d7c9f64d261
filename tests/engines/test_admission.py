from __future__ import annotations

import random
from pathlib import Path

import pytest

from harness.engines.active import Active
from harness.engines.admission import CONTEXT_BYTES, PATIENCE, USABLE_SHARE, Admission
from harness.engines.needs import Needs
from harness.machine.slots import Slot
from harness.testing.fakes import evaluation
from tests.engines.card import GIB, MIB, make_card, sized

USABLE = int(32 * GIB * USABLE_SHARE) - 4 * CONTEXT_BYTES


def active(number: int, gib: int = 2, *, slot: int | None = None, paused: int = 0) -> Active:
    return Active(
        config=sized(number, gib),
        folder=Path(),
        history=[],
        snapshot=None,
        fresh=False,
        slot=slot,
        paused_bytes=paused * GIB,
    )


def evaluated(trial: Active, peak_gib: float, *, micro_batch: int = 0) -> Active:
    step = trial.history[-1].step + 1 if trial.history else 1
    progress = evaluation(trial.number, {"step": step, "loss": 1.0})
    metrics = progress.metrics | {"peak_memory_mib": peak_gib * GIB / MIB}
    trial.history.append(progress.model_copy(update={"metrics": metrics, "micro_batch_size": micro_batch}))
    return trial


class Floor:
    """Four slots on one card of 32 GiB."""

    def __init__(self, slots: list[Slot] | None = None) -> None:
        self.needs = Needs()
        self.slots = make_card(32) if slots is None else slots
        self.admission = Admission(self.slots, self.needs)
        self.running: dict[int, Active] = {}
        self.trials: list[Active] = []

    @property
    def idle(self) -> list[int]:
        return [slot for slot in range(len(self.slots)) if slot not in self.running]

    def place(self, trial: Active, slots: list[int] | None = None) -> int | None:
        slot = self.admission.place(trial, self.idle if slots is None else slots, self.running, self.trials)
        if slot is not None:
            trial.slot, self.running[slot] = slot, trial
        if trial not in self.trials:
            self.trials.append(trial)
        return slot

    def learn(self, slot: int, progress: Active) -> None:
        self.admission.learn(slot, progress, self.running, self.trials)

    def end(self, slot: int) -> None:
        trial = self.running.pop(slot)
        self.trials.remove(trial)
        self.admission.forget(trial.number)


def test_admission_everywhere_on_cpus_and_on_cards_of_their_own() -> None:
    """However large; nothing is learnt and nobody waits for more trials than there are idle slots."""
    for slots in (make_card(1, device="cpu"), [*make_card(1, slots=1), *make_card(1, slots=1, device="cuda:1")]):
        floor = Floor(slots)
        for number in range(len(slots)):
            assert floor.place(active(number, 100)) == number
            floor.learn(number, evaluated(floor.running[number], 100))
            floor.admission.learn_out_of_memory(number, floor.running[number], floor.running, floor.trials)
        assert floor.needs.of(sized(0, 100)) is None
        assert floor.admission.max_waiting([0, 1]) == 2
        assert not floor.admission.shared(0)


def test_admission_of_unknown_trials_one_a_slot() -> None:
    floor = Floor()
    assert [floor.place(active(number, 100)) for number in range(4)] == [0, 1, 2, 3]


def test_admission_beside_others_when_it_fits() -> None:
    floor = Floor()
    floor.needs.learn(sized(0, 2), 2 * GIB)
    floor.needs.learn(sized(0, 16), 16 * GIB)
    floor.needs.learn(sized(0, 26), USABLE - 2 * GIB)
    assert floor.place(active(0, 2)) == 0
    assert floor.place(active(1, 26)) == 1
    assert floor.place(active(2, 2)) is None
    floor.end(0)
    assert floor.place(floor.trials[-1]) == 0
    floor.end(1)
    assert floor.place(active(3, 16)) == 1
    assert floor.place(active(4, 16)) is None


def test_admission_alone_always() -> None:
    """Beside all paused trials in other processes too."""
    floor = Floor()
    floor.needs.learn(sized(0, 50), 50 * GIB)
    floor.trials.append(active(9, 2, slot=1, paused=30))
    assert floor.place(active(0, 50)) == 0
    assert floor.place(active(1, 50)) is None


def test_admission_counts_paused_trials() -> None:
    """In other processes and beside the trial itself, but not the trial's own state twice."""
    floor = Floor()
    floor.needs.learn(sized(0, 2), 2 * GIB)
    floor.needs.learn(sized(0, 16), 16 * GIB)
    assert floor.place(active(0, 2)) == 0
    own = active(1, 16, slot=1, paused=8)
    floor.trials += [own, active(2, 2, slot=2, paused=8)]
    assert floor.place(own, [1]) == 1
    del floor.running[1]
    floor.trials.append(active(3, 2, slot=1, paused=3))
    assert floor.place(own, [1]) is None


def test_admission_counts_what_an_idle_process_keeps() -> None:
    floor = Floor()
    floor.needs.learn(sized(0, 2), 2 * GIB)
    floor.needs.learn(sized(0, 20), 20 * GIB)
    heavy = active(0, 2, paused=9)
    assert floor.place(heavy) == 0
    floor.learn(0, evaluated(heavy, 2))
    assert floor.place(active(1, 2)) == 1
    floor.end(0)
    assert floor.place(active(2, 20), [2]) is None
    floor.end(1)
    assert floor.place(active(2, 20), [2]) == 2


def test_admission_learns_peaks_without_what_stood_beside() -> None:
    floor = Floor()
    floor.trials.append(active(9, 2, slot=0, paused=5))
    trial = active(0, 2)
    floor.place(trial, [0])
    floor.learn(0, evaluated(trial, 12))
    assert floor.needs.of(trial.config) == 7 * GIB
    floor.trials.pop(0)
    floor.learn(0, evaluated(trial, 12))
    assert floor.needs.of(trial.config) == 7 * GIB, "the same peak, with less beside it now, says nothing new"
    floor.learn(0, evaluated(trial, 13))
    assert floor.needs.of(trial.config) == 13 * GIB


def test_admission_counts_what_a_busy_process_has_yet_to_drop() -> None:
    """It closes a trial when the one that runs there has come to its evaluation, and no sooner."""
    floor = Floor()
    mover, leaving = active(0), active(1, slot=0, paused=12)
    floor.trials.append(leaving)
    assert floor.place(mover, [0]) == 0
    floor.trials.remove(leaving)
    floor.admission.add_dropped(0, leaving, floor.running)
    free = floor.admission._free(active(2), 1, floor.admission._devices[1], floor.running, floor.trials)
    floor.learn(0, evaluated(mover, 16.0))
    assert floor.needs.of(mover.config) == 4 * GIB, "the peak had 12 GiB of the other one in it"
    floor.admission.clear_dropped(0)
    after = floor.admission._free(active(2), 1, floor.admission._devices[1], floor.running, floor.trials)
    share = USABLE // 4
    assert after - free == 12 * GIB + share - 4 * GIB
    floor.admission.add_dropped(1, leaving, floor.running)
    assert floor.admission._free(active(2), 2, floor.admission._devices[1], floor.running, floor.trials) == after


def test_admission_learns_of_a_trial_that_another_coordinator_began() -> None:
    floor = Floor()
    trial = evaluated(active(0, 2), 6)
    floor.place(trial, [0])
    floor.learn(0, evaluated(trial, 6))
    assert floor.needs.of(trial.config) == 6 * GIB


def free_beside(floor: Floor, gib: int) -> int:
    return USABLE - gib * GIB


@pytest.mark.parametrize("fails", [True, False])
def test_admission_trial_out_of_memory_needs_more_than_was_free(fails: bool) -> None:
    """Whether it failed, or went on with smaller micro-batches; told once."""
    floor = Floor()
    floor.needs.learn(sized(0, 2), 2 * GIB)
    floor.needs.learn(sized(0, 8), 8 * GIB)
    assert floor.place(active(0, 2)) == 0
    trial = active(1, 8)
    assert floor.place(trial) == 1
    if fails:
        floor.admission.learn_out_of_memory(1, trial, floor.running, floor.trials)
    else:
        floor.learn(1, evaluated(trial, 9, micro_batch=4))
    needed = floor.needs.of(trial.config)
    assert needed is not None and needed > free_beside(floor, 2)
    floor.end(0)
    if not fails:
        floor.learn(1, evaluated(trial, 9, micro_batch=4))
        assert floor.needs.of(trial.config) == needed, "it has not become smaller again"
    assert floor.place(active(2, 2)) is None, "beside it there is no room now"
    floor.end(1)
    assert floor.place(active(3, 2)) == 0
    assert floor.place(active(4, 8)) is None


def test_admission_looks_further_where_one_was_refused() -> None:
    floor = Floor()
    floor.needs.learn(sized(0, 20), 20 * GIB)
    floor.place(active(0, 20))
    assert floor.admission.max_waiting([1]) == 1
    refused = active(1, 20)
    assert floor.place(refused) is None
    assert floor.admission.max_waiting([1]) == 4
    floor.admission.forget(refused.number)
    assert floor.admission.max_waiting([1]) == 1


def test_admission_after_so_many_others_nobody_else() -> None:
    floor = Floor()
    floor.needs.learn(sized(0, 1), GIB)
    floor.needs.learn(sized(0, 30), 30 * GIB)
    large = active(0, 30)
    floor.place(active(1, 1))
    floor.place(active(2, 1))
    assert floor.place(large) is None
    for number in range(3, 3 + 4 * PATIENCE):
        assert floor.place(active(number, 1)) == 2
        floor.end(2)
    assert floor.place(active(90, 1)) is None
    assert floor.admission.max_waiting(floor.idle) == 0, "nor is anybody else asked for"
    floor.end(0)
    assert floor.place(active(91, 1)) is None
    floor.end(1)
    assert floor.place(active(92, 1)) is None, "not even alone"
    assert floor.place(large) == 0


def test_admission_waits_no_more_for_a_trial_that_has_ended() -> None:
    floor = Floor()
    floor.needs.learn(sized(0, 1), GIB)
    floor.needs.learn(sized(0, 30), 30 * GIB)
    floor.place(active(1, 1))
    assert floor.place(active(0, 30)) is None
    for number in range(2, 2 + 4 * PATIENCE):
        floor.place(active(number, 1), [2])
        floor.end(2)
    assert floor.place(active(90, 1)) is None
    floor.admission.forget(0)
    assert floor.place(active(90, 1)) == 1


class Crowd(Floor):
    """Two cards, and trials of all sizes, of which all is known; checks every admission."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__([*make_card(32), *make_card(32, slots=3, device="cuda:1")])
        for gib in range(1, 40):
            self.needs.learn(sized(0, gib), gib * GIB)
        self.waiting = [active(number, rng.choice([1, 1, 2, 5, 12, 20, 39])) for number in range(60)]
        self.passed: dict[str, dict[int, int]] = {"cuda:0": {}, "cuda:1": {}}

    def device(self, slot: int | None) -> str:
        return "" if slot is None else self.slots[slot].place.device

    def fill(self) -> None:
        for trial in list(self.waiting):
            open_to = [slot for slot in self.idle if trial.slot in (None, slot)]
            slot = self.place(trial, open_to)
            if slot is None:
                for each in open_to:
                    self.passed[self.device(each)].setdefault(trial.number, 0)
            else:
                self.waiting.remove(trial)
                self.check(trial, self.device(slot))

    def check(self, trial: Active, device: str) -> None:
        slots = [slot for slot in range(7) if self.device(slot) == device]
        running = [self.running[slot] for slot in slots if slot in self.running]
        paused = [each.paused_bytes for each in self.trials if each.slot in slots and each not in running]
        if len(running) > 1:
            taken = sum(each.config.training.batch_size * GIB for each in running) + sum(paused)
            assert taken + CONTEXT_BYTES * len(slots) <= 32 * GIB
        longest = next(iter(self.passed[device].items()), (trial.number, 0))
        assert longest[0] == trial.number or longest[1] < PATIENCE * len(slots), "it has let enough others pass"
        for passed in self.passed.values():
            passed.pop(trial.number, None)
        for number in self.passed[device]:
            self.passed[device][number] += 1


@pytest.mark.parametrize("seed", range(30))
def test_admission_in_any_order_fits_and_ends_and_starves_nobody(seed: int) -> None:
    """Trials begin, pause, go on and end at random."""
    rng = random.Random(seed)
    crowd = Crowd(rng)
    while crowd.trials or crowd.waiting:
        crowd.fill()
        assert crowd.running, "all wait for nothing"
        slot = rng.choice(sorted(crowd.running))
        trial = crowd.running[slot]
        if trial.history or rng.random() < 0.5:
            crowd.end(slot)
            continue
        trial.paused_bytes = trial.config.training.batch_size * GIB // 4
        crowd.learn(slot, evaluated(trial, trial.config.training.batch_size))
        crowd.waiting.append(crowd.running.pop(slot))
