"""Decides which trials may run at once on one accelerator: those whose memory fits together.

Every slot is a process, and all processes of a device share its memory:

- each process has a context, which torch's allocator does not count (`CONTEXT_BYTES`);
- a running trial takes what `Needs` says, or an equal share of the device where that is not known;
- a paused trial takes what it reported (`Evaluated.memory_bytes`). The measured peak of a process includes its paused
  trials, so their bytes are subtracted before the peak is learnt from;
- a trial dropped while another one runs in its process stays until the next event of that one (`add_dropped`);
- a process without a running trial keeps base weights and gradients, assumed to be no more than the largest trial that
  ran there holds when it is paused. It frees what it has cached beyond that (`Release`).

A trial is always admitted when no other one runs on the device: if it does not fit there, it is trained in smaller
micro-batches. So at least one trial runs on each device, and no trial waits for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.engines.active import Active
from harness.engines.needs import Needs, micro_batch_size
from harness.machine.slots import Slot
from harness.records.schema import Progress

__all__ = ["Admission"]

MIB = 2**20
#: What a process holds beside its tensors: a CUDA context with the kernels of torch and cuBLAS takes 0.3 to 0.5 GiB by
#: the reports of others. Not measured here.
CONTEXT_BYTES = 512 * MIB
#: The rest of a device is left for what is not counted: fragments of the allocators, the driver, other programs.
USABLE_SHARE = 0.95
#: A trial that ran out of memory needed more than it was thought to have; how much more is not known.
GROWTH = 1.25
#: So many other trials, for each slot of the device, may be admitted before a refused one.
PATIENCE = 2


@dataclass(slots=True, kw_only=True, eq=False)
class _Device:
    """An accelerator with several slots. `usable_bytes` is what its trials may take together."""

    slots: tuple[int, ...]
    usable_bytes: int
    passed: dict[int, int] = field(default_factory=dict)
    """How many other trials were admitted since a trial was refused, by its number; the longest waiting comes first."""

    @property
    def share_bytes(self) -> int:
        return self.usable_bytes // len(self.slots)

    @property
    def next_number(self) -> int | None:
        """The refused trial that has waited too long; no other trial is admitted before it."""
        limit = PATIENCE * len(self.slots)
        return next((number for number, count in self.passed.items() if count >= limit), None)


class Admission:
    """Decides in which slot a trial may start or go on: in any, on CPUs and on devices with one slot.

    In all methods `running` are the running trials, by slot, and `trials` all that have not ended.
    """

    def __init__(self, slots: Sequence[Slot] = (), needs: Needs | None = None) -> None:
        """`slots` are the pool's, in its order; `needs` holds what earlier trials needed, and is added to."""
        self._needs = Needs() if needs is None else needs
        self._num_slots = len(slots)
        self._kept = [0] * len(slots)
        self._dropped_bytes = [0] * len(slots)
        together: dict[str, list[int]] = defaultdict(list)
        for index, slot in enumerate(slots):
            if slot.place.device != "cpu":
                together[slot.place.device].append(index)
        self._devices: dict[int, _Device] = {}
        for sharing in together.values():
            if len(sharing) > 1:
                memory = sum(slots[index].memory_bytes for index in sharing)
                usable = int(memory * USABLE_SHARE) - CONTEXT_BYTES * len(sharing)
                device = _Device(slots=tuple(sharing), usable_bytes=max(0, usable))
                self._devices |= dict.fromkeys(sharing, device)

    def shared(self, slot: int) -> bool:
        """Returns True when the slot shares its accelerator with others."""
        return slot in self._devices

    # Admission

    def place(
        self, trial: Active, slots: Iterable[int], running: Mapping[int, Active], trials: Collection[Active]
    ) -> int | None:
        """Admits the trial to the first of the idle `slots` with room; returns that slot, or None when it must wait."""
        refused = []
        for slot in slots:
            device = self._devices.get(slot)
            if device is None or self._fits(trial, slot, device, running, trials):
                self._admitted(trial, device)
                return slot
            refused.append(device)
        for device in refused:
            device.passed.setdefault(trial.number, 0)
        return None

    def max_waiting(self, idle: Sequence[int]) -> int:
        """Returns how many trials may wait for the slots `idle`: one for each of them.

        After a refusal it is one for each slot of the pool, so that smaller trials can be found and admitted first; 0
        when no other trial may be admitted.
        """
        if not any(device.passed for device in self._devices.values()):
            return len(idle)
        free = [slot for slot in idle if slot not in self._devices or self._devices[slot].next_number is None]
        return max(len(free), self._num_slots) if free else 0

    def forget(self, number: int) -> None:
        """Removes a trial that was admitted or has ended from the refused ones."""
        for device in self._devices.values():
            device.passed.pop(number, None)

    def _admitted(self, trial: Active, device: _Device | None) -> None:
        self.forget(trial.number)
        if device is not None:
            for number in device.passed:
                device.passed[number] += 1

    def _fits(
        self, trial: Active, slot: int, device: _Device, running: Mapping[int, Active], trials: Collection[Active]
    ) -> bool:
        if device.next_number not in (None, trial.number):
            return False
        alone = not any(other in running for other in device.slots if other != slot)
        return alone or self._need(trial, device) <= self._free(trial, slot, device, running, trials)

    def _need(self, trial: Active, device: _Device) -> int:
        num_bytes = self._needs.of(trial.config)
        return device.share_bytes if num_bytes is None else num_bytes

    def _free(
        self, trial: Active, slot: int, device: _Device, running: Mapping[int, Active], trials: Collection[Active]
    ) -> int:
        """Returns the bytes that the trial would have in the slot, beside all others of the device."""
        held = self._paused_bytes(slot, trial, trials)
        for other in device.slots:
            if other != slot:
                held += self._paused_bytes(other, running.get(other), trials)
                held += self._need(running[other], device) if other in running else self._kept[other]
        return device.usable_bytes - held

    def _paused_bytes(self, slot: int, runner: Active | None, trials: Collection[Active]) -> int:
        """Returns the bytes of the paused trials in the slot's process; `runner` is the trial that runs there."""
        paused = sum(trial.paused_bytes for trial in trials if trial.slot == slot and trial is not runner)
        return paused + self._dropped_bytes[slot]

    def add_dropped(self, slot: int, trial: Active, running: Mapping[int, Active]) -> None:
        """Counts a dropped trial's memory until the running trial there has its next event: then it is closed."""
        if slot in self._devices and slot in running:
            self._dropped_bytes[slot] += trial.paused_bytes

    def clear_dropped(self, slot: int) -> None:
        """Counts the dropped trials of a slot no longer: its process has closed them."""
        if slot in self._devices:
            self._dropped_bytes[slot] = 0

    # Learning what trials need

    def learn(self, slot: int, trial: Active, running: Mapping[int, Active], trials: Collection[Active]) -> None:
        """Learns from the last evaluation of a trial's history, which was computed in the slot.

        A peak is learnt from when it is above the trial's earlier peak, which was learnt from before.
        """
        if slot not in self._devices:
            return
        self._kept[slot] = max(self._kept[slot], trial.paused_bytes)
        progress, earlier = trial.history[-1], trial.history[-2] if len(trial.history) > 1 else None
        micro_batch = (earlier and earlier.micro_batch_size) or micro_batch_size(trial.config)
        if 0 < progress.micro_batch_size < micro_batch:
            self.learn_out_of_memory(slot, trial, running, trials)
        peak = _peak_bytes(progress)
        if not self._needs.knows(trial.config) or earlier is None or peak > _peak_bytes(earlier):
            self._needs.learn(trial.config, peak - self._paused_bytes(slot, trial, trials))

    def learn_out_of_memory(
        self, slot: int, trial: Active, running: Mapping[int, Active], trials: Collection[Active]
    ) -> None:
        """Learns that the trial ran out of memory in the slot: it needs more than was free beside the others.

        If another trial took more than estimated, that is learnt at the evaluation of the other one.
        """
        if (device := self._devices.get(slot)) is not None:
            self._needs.learn(trial.config, int(self._free(trial, slot, device, running, trials) * GROWTH))


def _peak_bytes(progress: Progress) -> int:
    return int(progress.metrics.get("peak_memory_mib", 0.0) * MIB)
