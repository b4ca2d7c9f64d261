"""The section `engine` of a study file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from harness.spec.space import Frozen
from harness.spec.study.types import Count, Text

__all__ = ["EngineSpec"]

#: Ray counts resources in ten-thousandths.
SMALLEST_AMOUNT = 1e-4


def _reservable(amounts: dict[str, float]) -> dict[str, float]:
    """Refuses amounts that Ray would not reserve for a trial."""
    if not any(amounts.values()):
        raise ValueError("nothing is asked for; give at least one amount above 0, for example {cpu: 1}")
    for name, amount in amounts.items():
        alike = [other for other in amounts if other.lower() == name.lower()]
        if len(alike) > 1:
            raise ValueError(f"{' and '.join(alike)} are the same resource; give it once")
        if name == "object_store_memory":
            raise ValueError(f"Ray cannot reserve {name}; leave it out")
        if amount != 0 and amount < SMALLEST_AMOUNT:
            raise ValueError(f"{name}: {amount:g}: amounts are 0 or at least {SMALLEST_AMOUNT:g}")
        if name.lower() == "gpu" and amount > 1 and amount % 1:
            raise ValueError(f"{name}: {amount:g}: above one GPU Ray gives whole ones only")
    return amounts


class EngineSpec(Frozen):
    """The engine and the devices that trials run on."""

    name: Literal["local", "ray", "inline"] = Field(
        default="local",
        description="local: worker processes on this machine; ray: a Ray cluster; inline: the command's own process",
    )
    device: Text = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps, xpu")
    slots_per_device: Literal["auto"] | Count = Field(
        default="auto",
        description="trials side by side; on an accelerator auto is 1, and of more only those move together that fit",
    )
    threads_per_slot: Literal["auto"] | Count = Field(
        default="auto", description="threads of each trial; auto: the cores, shared out"
    )
    data_on_device: bool = Field(
        default=False,
        description="CUDA and XPU only, elsewhere nothing changes: encoded splits are copied to the device once a "
        "process, where batches are made of them; at most a tenth of its free memory (not measured: "
        "docs/accelerators.md)",
    )
    address: Text | None = Field(
        default=None, description="ray: address of a running cluster; null: start one", examples=["auto"]
    )
    resources_per_trial: Annotated[dict[str, float], AfterValidator(_reservable)] | None = Field(
        default=None,
        description="ray: what is reserved for a trial; null: by the slots",
        examples=[{"cpu": 1, "gpu": 0.25}],
    )
    storage_path: Text | None = Field(
        default=None, description="ray: shared folder; null: in the run folder", examples=["/mnt/shared/sweeps"]
    )
    max_concurrent: Count | None = Field(
        default=None, description="the most trials side by side; null: as many as there are slots", examples=[4]
    )

    @property
    def joins(self) -> bool:
        """True when trials run on a cluster that is running already."""
        return self.name == "ray" and self.address not in (None, "local")
