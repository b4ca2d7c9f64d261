"""The precision that `precision: auto` means on one kind of device, with the measurements behind the choice."""

from __future__ import annotations

from harness.records.schema import Place, Stored
from harness.stats.shown import number

__all__ = ["DeviceKind", "PrecisionChoice", "device_kind", "unmeasured"]

DeviceKind = tuple[str, str, int]
"""Device type (cpu, cuda), device name, and the threads of a slot (0 on an accelerator)."""


class PrecisionChoice(Stored):
    """The precision chosen for one kind of device, and the measurement behind it.

    `gflops` are GFLOP/s of the study's own matrix products, forward and backward, by precision; `products` are their
    shapes (input by weight). Both are empty where nothing was measured; `message` says why, where
    something should have been.
    """

    device: str
    device_name: str = ""
    threads: int = 0
    precision: str
    gflops: dict[str, float] = {}
    products: tuple[str, ...] = ()
    seconds: float = 0.0
    message: str = ""

    @property
    def kind(self) -> DeviceKind:
        """The kind of device: its type, its name and the threads of a slot."""
        return self.device, self.device_name, self.threads

    @property
    def reason(self) -> str:
        """The reason for this precision: "by the speed of this study's own matrix products: bf16 565 GFLOP/s, ..."."""
        if not self.gflops:
            return self.message or "the only one that is known to train as well as fp32 on this device"
        fastest = sorted(self.gflops.items(), key=lambda item: -item[1])
        figures = ", ".join(f"{name} {_rounded(speed)} GFLOP/s" for name, speed in fastest)
        return f"by the speed of this study's own matrix products: {figures}"


def _rounded(speed: float) -> str:
    return f"{speed:,.0f}" if speed >= 10 else number(speed, 2)


def device_kind(place: Place) -> DeviceKind:
    """The kind of device of a place; devices of one kind are equally fast."""
    device = place.device.partition(":")[0]
    return device, place.device_name, place.threads if device == "cpu" else 0


def unmeasured(place: Place, why: str) -> PrecisionChoice:
    """The choice for a place whose matrix products could not be measured: fp32; `why` is the cause."""
    device, name, threads = device_kind(place)
    message = f"the products could not be measured ({why})"
    return PrecisionChoice(device=device, device_name=name, threads=threads, precision="fp32", message=message)
