from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.engines.ray.plan import Plan, Room, plan_trials
from harness.errors import EngineError
from harness.machine.slots import Slot
from harness.records.schema import Place
from harness.spec.study import EngineSpec
from harness.testing.engines import make_slots

NODES = [{"CPU": 16.0, "GPU": 4.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 64.0}]


def plan(nodes: Any = (), *, private: bool = False, slots: Any = (), **engine: Any) -> Plan:
    return plan_trials(EngineSpec(name="ray", **engine), slots, nodes, private=private)


def test_plan_of_a_private_session_is_that_of_the_slots() -> None:
    assert plan(slots=make_slots(2), private=True) == Plan(need={"CPU": 1.0}, threads=1, most=2)
    shared = [Slot(Place(node="x", device="cuda:0", slot=slot, threads=3)) for slot in range(4)]
    assert plan(slots=shared, private=True) == Plan(need={"CPU": 3.0, "GPU": 0.25}, threads=3, most=4)


def test_plan_asked_for_wins() -> None:
    asked = {"cpu": 2, "gpu": 0.25, "big_disk": 1.0, "memory": 0.0}
    found = plan(NODES, resources_per_trial=asked, max_concurrent=7, private=True, slots=make_slots(2))
    assert found == Plan(need={"CPU": 2, "GPU": 0.25, "big_disk": 1.0}, threads=2, most=7)
    assert plan(NODES, max_concurrent=7).grows and not plan(NODES).grows
    assert plan(NODES, resources_per_trial={"gpu": 0.5}).threads == 1
    assert plan(NODES, resources_per_trial={"cpu": 2}, threads_per_slot=5).threads == 5


def test_plan_of_a_cluster_shares_the_cores_among_its_gpus() -> None:
    assert plan(NODES) == Plan(need={"CPU": 4.0, "GPU": 1.0}, threads=4, most=None)
    assert plan(NODES, slots_per_device=4).need == {"CPU": 1.0, "GPU": 0.25}
    assert plan(NODES, threads_per_slot=2).need == {"CPU": 2.0, "GPU": 1.0}


def test_plan_of_a_cluster_without_gpus_is_a_core() -> None:
    assert plan(NODES[2:]).need == {"CPU": 1.0}
    assert plan(NODES, device="cpu", threads_per_slot=8) == Plan(need={"CPU": 8.0}, threads=8, most=None)


def room(plan: Plan, *fit: int, clock: Callable[[], float] = lambda: 0.0) -> Room:
    """Where so many trials fit at each question."""
    fits = iter(fit)
    return Room(plan, lambda need: next(fits), lambda: [{"CPU": 1.0}, {"CPU": 8.0}], clock=clock)


def test_room_is_what_fits_or_what_is_asked() -> None:
    asked = plan(NODES, max_concurrent=9)
    assert room(plan(NODES), 5)() == 5
    assert room(asked, 3)() == 9, "nodes may come"
    assert room(plan(max_concurrent=9, resources_per_trial={"cpu": 1}, private=True), 3)() == 3, "none will"
    assert room(plan(NODES, max_concurrent=2), 3)() == 2


def test_room_says_what_is_missing() -> None:
    message = r"no node has room for a trial \(CPU: 2, GPU: 0.5; the nodes have CPU: 1, GPU: 0; CPU: 8, GPU: 0\); set"
    asked = {"cpu": 2, "gpu": 0.5}
    with pytest.raises(EngineError, match=message):
        room(plan(NODES, resources_per_trial=asked), 0)()
    with pytest.raises(EngineError, match=message):
        room(plan(resources_per_trial=asked, max_concurrent=2, private=True), 0)()


def test_room_waits_for_nodes_but_not_for_ever() -> None:
    now = iter([0.0, 1000.0, 1000.0, 5000.0, 5000.0, 6799.0, 6801.0])
    here = room(plan(NODES, max_concurrent=2), 0, 0, 1, 0, 0, 0, clock=lambda: next(now))
    assert [here() for _ in range(5)] == [2, 2, 2, 2, 2]
    with pytest.raises(EngineError, match="none came within 30 minutes"):
        here()
