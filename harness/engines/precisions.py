"""What `precision: auto` means on a study's devices: measured once for each kind, kept when the study continues."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.records.precision import DeviceKind, PrecisionChoice, device_kind
from harness.records.schema import Place
from harness.spec.trial import TrialConfig

__all__ = ["Precisions", "SlotPrecisions"]


class Precisions:
    """The precisions of a study, by kind of device.

    A continued study keeps its recorded precision. On a machine of another kind it keeps the precision of its other
    trials where the device is of the same sort (cpu, cuda), so that its trials can be compared. On a cluster each kind
    of node has a choice of its own.
    """

    def __init__(
        self,
        recorded: Sequence[PrecisionChoice] = (),
        *,
        each_kind: bool = False,
        on_choice: Callable[[PrecisionChoice, PrecisionChoice], None] = lambda choice, measured: None,
    ) -> None:
        """`on_choice` is called with each choice that is made or kept, and with what was measured now."""
        self._recorded = tuple(recorded)
        self._each_kind = each_kind
        self._on_choice = on_choice
        self._choices: dict[DeviceKind, PrecisionChoice | None] = {}

    def is_measured(self, place: Place) -> bool:
        """Returns True when this process has measured this kind of device."""
        return device_kind(place) in self._choices

    def of(self, place: Place) -> str | None:
        """Returns the precision on a place; None where it could not be measured."""
        choice = self._choices.get(device_kind(place))
        return None if choice is None else choice.precision

    @property
    def choices(self) -> tuple[PrecisionChoice, ...]:
        """One choice for each measured kind of device."""
        return tuple(choice for choice in self._choices.values() if choice is not None)

    def learn(self, place: Place, measured: PrecisionChoice | None) -> None:
        """Adds what was measured on a place; the first of each kind counts."""
        kind = device_kind(place)
        if kind in self._choices:
            return
        choice = None if measured is None else self._kept(kind, measured)
        self._choices[kind] = choice
        if choice is not None and measured is not None:
            self._on_choice(choice, measured)

    def _kept(self, kind: DeviceKind, measured: PrecisionChoice) -> PrecisionChoice:
        same = [choice for choice in self._recorded if choice.kind == kind]
        if not same and not self._each_kind:
            same = [choice for choice in self._recorded if choice.device == measured.device]
        if not same:
            return measured
        device, name, threads = kind  # what is kept is listed, recorded and shown under the kind that was measured
        return same[0].model_copy(update={"device": device, "device_name": name, "threads": threads})


class SlotPrecisions:
    """The precisions of the slots of an engine, and the slots that wait until theirs is measured.

    The first slot of each kind of device measures; the others of that kind wait for it.
    """

    def __init__(self, precisions: Precisions | None, places: Sequence[Place]) -> None:
        """Without `precisions`, `auto` is left to the trials."""
        self._precisions = precisions
        self._places = places
        self._waiting: list[int] = []

    def is_known(self, slot: int) -> bool:
        """Returns True when trials can start in the slot."""
        return self._precisions is None or self._precisions.is_measured(self._places[slot])

    def is_waiting(self, slot: int) -> bool:
        """Returns True when the slot waits for its precision."""
        return slot in self._waiting

    def wait(self, slot: int) -> bool:
        """Lets the slot wait for its precision; returns True when it is the one that measures it."""
        is_first = not self._waiting_like(slot)
        self._waiting.append(slot)
        return is_first

    def learn(self, slot: int, choice: PrecisionChoice | None) -> list[int]:
        """Adds what was measured in a slot, and returns the slots that waited for it."""
        if self._precisions is not None:
            self._precisions.learn(self._places[slot], choice)
        known = self._waiting_like(slot)
        self._waiting = [other for other in self._waiting if other not in known]
        return known

    def _waiting_like(self, slot: int) -> list[int]:
        kind = device_kind(self._places[slot])
        return [other for other in self._waiting if device_kind(self._places[other]) == kind]

    def resolved(self, config: TrialConfig, slot: int) -> TrialConfig:
        """Returns the config with `precision: auto` replaced by the precision of the slot, where that is known."""
        if self._precisions is None or config.training.precision != "auto":
            return config
        precision = self._precisions.of(self._places[slot])
        return config if precision is None else config.in_precision(precision)
