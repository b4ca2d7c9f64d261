"""What one trial gets of a cluster, and how many run at once.

Knows nothing of Ray: of a cluster it is told what its nodes have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.engines.slots import Slot
from harness.errors import EngineError, InputError
from harness.spec.study import EngineSpec

__all__ = ["Plan", "num_slots", "plan_trials"]

RAY_NAMES = {"cpu": "CPU", "gpu": "GPU"}
Nodes = Sequence[Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`need` is what one trial reserves, by Ray's names; `most` trials run at once (None: as many as fit)."""

    need: Mapping[str, float]
    threads: int
    most: int | None


def plan_trials(engine: EngineSpec, slots: Sequence[Slot], nodes: Nodes, *, private: bool) -> Plan:
    """The study's own wish, or the slots of this machine, or an equal share of a cluster's nodes.

    `nodes` are the resources of each node that there is.
    """
    most = engine.max_concurrent
    if engine.resources_per_trial is not None:
        need = _asked(engine.resources_per_trial)
    elif private:
        need = _of_slots(slots)
        most = len(slots)
    else:
        need = _of_nodes(engine, nodes)
    threads = max(1, int(need.get("CPU", 1))) if engine.threads_per_slot == "auto" else engine.threads_per_slot
    return Plan(need=need, threads=threads, most=most)


def _asked(asked: Mapping[str, float]) -> dict[str, float]:
    wrong = [f"{name}: {amount:g}" for name, amount in asked.items() if amount < 0 or amount != amount]
    if wrong or not any(asked.values()):
        raise InputError(f"engine.resources_per_trial: {wrong[0] if wrong else 'nothing'}; amounts must be above 0")
    return {RAY_NAMES.get(name.lower(), name): amount for name, amount in asked.items() if amount}


def _of_slots(slots: Sequence[Slot]) -> dict[str, float]:
    """All slots of a machine are alike."""
    devices = [slot.place.device for slot in slots]
    need = {"CPU": float(slots[0].place.threads)}
    if devices[0] != "cpu":
        need["GPU"] = 1 / devices.count(devices[0])
    return need


def _of_nodes(engine: EngineSpec, nodes: Nodes) -> dict[str, float]:
    """A GPU each, and its share of the cores; without GPUs a core each."""
    with_gpu = [node for node in nodes if node.get("GPU", 0) >= 1] if engine.device != "cpu" else []
    threads = 1 if engine.threads_per_slot == "auto" else engine.threads_per_slot
    if not with_gpu:
        return {"CPU": float(threads)}
    each = 1 if engine.slots_per_device == "auto" else engine.slots_per_device
    if engine.threads_per_slot == "auto":
        threads = max(1, min(int(node.get("CPU", 1) // (node["GPU"] * each)) for node in with_gpu))
    return {"CPU": float(threads), "GPU": 1 / each}


def num_slots(plan: Plan, capacity: Callable[[Mapping[str, float]], int], nodes: Callable[[], Any]) -> int:
    """How many trials run now: as many as fit, or as many as the study says; then a cluster may grow for them.

    Raises:
        EngineError: no trial fits, and the study does not say how many it wants.
    """
    if plan.most is not None:
        return plan.most
    fit = capacity(plan.need)
    if fit == 0:
        wanted = ", ".join(f"{name}: {amount:g}" for name, amount in plan.need.items())
        there = "; ".join(
            ", ".join(f"{name}: {node['Resources'].get(name, 0):g}" for name in plan.need) for node in nodes()
        )
        raise EngineError(
            f"no node has room for a trial ({wanted}; the nodes have {there or 'nothing'}); "
            "set engine.resources_per_trial, or engine.max_concurrent where nodes are started on demand"
        )
    return fit
