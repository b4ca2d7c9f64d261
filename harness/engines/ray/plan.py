"""Plans the resources of a trial on a cluster, and how many trials run at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import EngineError
from harness.machine.slots import Slot
from harness.spec.study import EngineSpec

__all__ = ["Plan", "Room", "plan_trials"]

RAY_NAMES = {"cpu": "CPU", "gpu": "GPU"}
#: The time that a cluster has to start a node on which a trial fits.
NODE_WITHIN_S = 1800.0
Nodes = Sequence[Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`need` is what one trial reserves, by Ray's names; at most `most` trials run at once (None: as many as fit).

    `grows`: the cluster may start nodes for trials that do not fit yet.
    """

    need: Mapping[str, float]
    threads: int
    most: int | None
    grows: bool = False


def plan_trials(engine: EngineSpec, slots: Sequence[Slot], nodes: Nodes, *, private: bool) -> Plan:
    """Returns the plan: as the study says, or by the slots of this machine, or by equal shares of a cluster's nodes.

    `nodes` are the resources of each existing node.
    """
    most = engine.max_concurrent
    if engine.resources_per_trial is not None:
        need = _by_ray_names(engine.resources_per_trial)
    elif private:
        need = _of_slots(slots)
        most = len(slots)
    else:
        need = _of_nodes(engine, nodes)
    threads = max(1, int(need.get("CPU", 1))) if engine.threads_per_slot == "auto" else engine.threads_per_slot
    return Plan(need=need, threads=threads, most=most, grows=most is not None and not private)


def _by_ray_names(resources: Mapping[str, float]) -> dict[str, float]:
    return {RAY_NAMES.get(name.lower(), name): amount for name, amount in resources.items() if amount}


def _of_slots(slots: Sequence[Slot]) -> dict[str, float]:
    """Returns the resources of the first slot: all slots of a machine are alike."""
    devices = [slot.place.device for slot in slots]
    need = {"CPU": float(slots[0].place.threads)}
    if devices[0] != "cpu":
        need["GPU"] = 1 / devices.count(devices[0])
    return need


def _of_nodes(engine: EngineSpec, nodes: Nodes) -> dict[str, float]:
    """Returns a GPU and its share of the cores, or without GPUs one core."""
    with_gpu = [node for node in nodes if node.get("GPU", 0) >= 1] if engine.device != "cpu" else []
    threads = 1 if engine.threads_per_slot == "auto" else engine.threads_per_slot
    if not with_gpu:
        return {"CPU": float(threads)}
    slots_per_gpu = 1 if engine.slots_per_device == "auto" else engine.slots_per_device
    if engine.threads_per_slot == "auto":
        threads = max(1, min(int(node.get("CPU", 1) // (node["GPU"] * slots_per_gpu)) for node in with_gpu))
    return {"CPU": float(threads), "GPU": 1 / slots_per_gpu}


class Room:
    """Returns how many trials may run now; `capacity` is how many fit on the existing nodes."""

    def __init__(
        self,
        plan: Plan,
        capacity: Callable[[Mapping[str, float]], int],
        nodes: Callable[[], Nodes],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._capacity, self._nodes, self._clock = plan, capacity, nodes, clock
        self._since: float | None = None

    def __call__(self) -> int:
        """Returns how many fit and the study allows; where the cluster may start nodes, how many the study allows.

        Raises:
            EngineError: no trial fits on any node, and no node was or will be started for one.
        """
        fit, most = self._capacity(self._plan.need), self._plan.most
        if fit > 0:
            self._since = None
            return fit if most is None else most if self._plan.grows else min(fit, most)
        if not self._plan.grows or most is None:
            raise EngineError(
                f"{self._no_room()}; set engine.resources_per_trial, or engine.max_concurrent where nodes are started "
                "on demand"
            )
        self._since = self._clock() if self._since is None else self._since
        if self._clock() - self._since > NODE_WITHIN_S:
            raise EngineError(f"{self._no_room()}, and none came within {NODE_WITHIN_S / 60:g} minutes")
        return most

    def _no_room(self) -> str:
        need = self._plan.need
        available = "; ".join(_shown({name: node.get(name, 0) for name in need}) for node in self._nodes())
        return f"no node has room for a trial ({_shown(need)}; the nodes have {available or 'nothing'})"


def _shown(amounts: Mapping[str, float]) -> str:
    return ", ".join(f"{name}: {amount:g}" for name, amount in amounts.items())
