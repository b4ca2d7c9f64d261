"""Which trials may move side by side on one accelerator: those whose memory fits together.

Knows nothing of processes or torch. Every slot is a process, and all processes of a device share its memory:

- each has a context, which torch's allocator does not see (`CONTEXT_BYTES`);
- a trial that moves takes what `Needs` says, and an equal share of the device where nothing is known;
- a trial that stands takes what it said it holds (`Evaluated.memory_bytes`). The peak that is read in a process
  includes what stands there, so that is taken off before the peak is learnt from;
- a trial that is dropped while another one moves in its process is there until that one's next word (`add_dropped`);
- a process in which none moves keeps base weights and gradients, taken to be no more than the largest trial that moved
  there holds when it stands. What it has cached beyond that it gives back (`Release`).

A trial is always admitted where no other one moves on the device: what does not fit there is trained in smaller
micro-batches, and nothing ever waits for nothing.
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
#: The rest of a device is for what nobody counts: fragments of the allocators, the driver, other programs.
USABLE_SHARE = 0.95
#: A trial that ran out of memory needed more than it was thought to have; how much more is not known.
GROWTH = 1.25
#: A refused trial lets so many others pass for each slot of the device, and no more.
PATIENCE = 2


@dataclass(slots=True, kw_only=True, eq=False)
class _Device:
    """An accelerator with several slots. `usable_bytes` are what its trials may take together."""

    slots: tuple[int, ...]
    usable_bytes: int
    passed: dict[int, int] = field(default_factory=dict)
    """By the number of a refused trial, how many others were admitted since; who waits longest comes first."""

    @property
    def share_bytes(self) -> int:
        return self.usable_bytes // len(self.slots)

    @property
    def next_number(self) -> int | None:
        """The refused trial that has waited too long: nothing else is admitted before it."""
        most = PATIENCE * len(self.slots)
        return next((number for number, count in self.passed.items() if count >= most), None)


class Admission:
    """Says where a trial may begin or go on. On CPUs, and with one slot a device, everywhere.

    In all methods `running` are the trials that move, by slot; `trials` are all that have not ended.
    """

    def __init__(self, slots: Sequence[Slot] = (), needs: Needs | None = None) -> None:
        """`slots` are those of the pool, in its order; `needs` is what is known already, and is added to."""
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
        """True when the slot shares its accelerator with others."""
        return slot in self._devices

    # Who may move

    def place(
        self, trial: Active, slots: Iterable[int], running: Mapping[int, Active], trials: Collection[Active]
    ) -> int | None:
        """The first of the idle `slots` in which the trial may move now, which counts as done; None: it waits."""
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
        """How many trials may wait while the slots `idle` are idle: one for each of them.

        Where some were refused, one for each slot there is, so that smaller ones are found to go before them; none
        where nothing may.
        """
        if not any(device.passed for device in self._devices.values()):
            return len(idle)
        free = [slot for slot in idle if slot not in self._devices or self._devices[slot].next_number is None]
        return max(len(free), self._num_slots) if free else 0

    def forget(self, number: int) -> None:
        """The trial waits no longer: it was admitted, or has ended."""
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
        known = self._needs.of(trial.config)
        return device.share_bytes if known is None else known

    def _free(
        self, trial: Active, slot: int, device: _Device, running: Mapping[int, Active], trials: Collection[Active]
    ) -> int:
        """Bytes that the trial would have in the slot, beside all others of the device."""
        held = self._paused_bytes(slot, trial, trials)
        for other in device.slots:
            if other != slot:
                held += self._paused_bytes(other, running.get(other), trials)
                held += self._need(running[other], device) if other in running else self._kept[other]
        return device.usable_bytes - held

    def _paused_bytes(self, slot: int, mover: Active | None, trials: Collection[Active]) -> int:
        """Bytes that stand in the slot's process beside `mover`."""
        standing = sum(trial.paused_bytes for trial in trials if trial.slot == slot and trial is not mover)
        return standing + self._dropped_bytes[slot]

    def add_dropped(self, slot: int, trial: Active, running: Mapping[int, Active]) -> None:
        """The slot was told to close a standing trial: it does so once the one that moves there has had its say."""
        if slot in self._devices and slot in running:
            self._dropped_bytes[slot] += trial.paused_bytes

    def clear_dropped(self, slot: int) -> None:
        """The trial that moved in the slot has had its say, and was learnt from."""
        if slot in self._devices:
            self._dropped_bytes[slot] = 0

    # What trials need

    def learn(self, slot: int, trial: Active, running: Mapping[int, Active], trials: Collection[Active]) -> None:
        """Takes in the last evaluation of a trial's history, which was computed in the slot.

        A peak counts when it is above the trial's earlier one: that was counted, with what stood beside it then.
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

    def learn_out_of_memory(self, slot: int, trial: Active, running: Mapping[int, Active], trials: Collection[Active]) -> None:
        """The trial found no more memory in the slot: it needs more than there was beside the others.

        If it was another one that took more than it was thought to, that is learnt at the other one's evaluation.
        """
        if (device := self._devices.get(slot)) is not None:
            self._needs.learn(trial.config, int(self._free(trial, slot, device, running, trials) * GROWTH))


def _peak_bytes(progress: Progress) -> int:
    return int(progress.metrics.get("peak_memory_mib", 0.0) * MIB)
