"""Measures on the nodes which precision `auto` means there, before the first trial starts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.engines.precisions import Precisions
from harness.engines.ray.session import Session
from harness.engines.ray.worker import Job, open_driver, with_local_checkpoint
from harness.records.precision import PrecisionChoice
from harness.records.schema import Place
from harness.spec.space import Frozen
from harness.spec.trial import TrialConfig

__all__ = ["measure_nodes"]

#: The wait for a node that is busy with other work; without an answer its first trial measures.
ANSWER_WITHIN_S = 60.0


class NodeMeasurement(Frozen):
    """The measurement of one node."""

    place: Place
    choice: PrecisionChoice | None


@ray.remote(max_retries=0)
def measure(job: str, config: str, refs: Mapping[str, Any]) -> str:
    """Runs on a node, with the resources of a trial."""
    shared = Job.model_validate_json(job)
    driver, place, moved = open_driver(shared, refs)
    choice = driver.measure(with_local_checkpoint(TrialConfig.model_validate_json(config), moved)).choice
    return NodeMeasurement(place=place, choice=choice).model_dump_json()


def measure_nodes(
    session: Session,
    need: Mapping[str, float],
    job: Job,
    refs: Mapping[str, Any],
    config: TrialConfig,
    precisions: Precisions,
) -> None:
    """Measures on every node that can run a trial; the first of each kind of device decides for that kind."""
    own = {name: amount for name, amount in need.items() if name not in ("CPU", "GPU")}
    futures = [
        measure.options(
            num_cpus=need.get("CPU", 0),
            num_gpus=need.get("GPU", 0),
            resources=own or None,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote(job.model_dump_json(), config.model_dump_json(), dict(refs))
        for node in session.with_room(need)
    ]
    answered, late = ray.wait(futures, num_returns=len(futures), timeout=ANSWER_WITHIN_S) if futures else ([], [])
    for future in late:
        ray.cancel(future, force=True)
    for future in futures:
        if future in answered:
            with suppress(RayError):  # the trials of a broken node report the error
                measured = NodeMeasurement.model_validate_json(ray.get(future))
                precisions.learn(measured.place, measured.choice)
