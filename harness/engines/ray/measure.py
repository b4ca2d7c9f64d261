"""Measures, on a node of each kind, which precision `auto` means there, before the first trial begins."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.engines.precisions import Precisions
from harness.engines.ray.session import Session
from harness.engines.ray.worker import Job, open_driver, with_moved
from harness.records.precision import PrecisionChoice
from harness.records.schema import Place
from harness.spec.space import Frozen
from harness.spec.trial import TrialConfig

__all__ = ["measure_nodes"]

#: A node that is busy with other work is not waited for longer: its first trial measures by itself.
ANSWER_WITHIN_S = 60.0


class NodeMeasurement(Frozen):
    """What one node measured."""

    place: Place
    choice: PrecisionChoice | None


@ray.remote(max_retries=0)
def measure(job: str, config: str, refs: Mapping[str, Any]) -> str:
    """Runs on a node, with the resources of a trial."""
    shared = Job.model_validate_json(job)
    driver, place, moved = open_driver(shared, refs)
    choice = driver.measure(with_moved(TrialConfig.model_validate_json(config), moved)).choice
    return NodeMeasurement(place=place, choice=choice).model_dump_json()


def measure_nodes(
    session: Session,
    need: Mapping[str, float],
    job: Job,
    refs: Mapping[str, Any],
    config: TrialConfig,
    precisions: Precisions,
) -> None:
    """Has every node that can run a trial measure; the first of each kind of device decides for that kind."""
    own = {name: amount for name, amount in need.items() if name not in ("CPU", "GPU")}
    asked = [
        measure.options(
            num_cpus=need.get("CPU", 0),
            num_gpus=need.get("GPU", 0),
            resources=own or None,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote(job.model_dump_json(), config.model_dump_json(), dict(refs))
        for node in session.with_room(need)
    ]
    answered, late = ray.wait(asked, num_returns=len(asked), timeout=ANSWER_WITHIN_S) if asked else ([], [])
    for future in late:
        ray.cancel(future, force=True)
    for future in asked:
        if future in answered:
            with suppress(RayError):  # what is wrong with the node is told by its trials
                measured = NodeMeasurement.model_validate_json(ray.get(future))
                precisions.learn(measured.place, measured.choice)
