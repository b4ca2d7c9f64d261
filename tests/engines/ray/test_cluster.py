"""Several nodes for real: a head and two workers on this machine, each with processes and a store of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray._private import ray_constants
from ray.cluster_utils import Cluster

from harness.engines.inline import InlineEngine
from harness.engines.ray.environment import changed_environment
from harness.engines.ray.tune import RayEngine
from harness.records.rundir import RunFolder
from harness.records.schema import TrialState
from harness.records.store import StudyStore
from harness.search.search import Search
from harness.testing.engines import COMPLETE, make_slots
from harness.testing.fakes import TRIAL, config, diary
from harness.testing.processes import children, until
from harness.testing.source import FakeSource
from tests.engines.ray.home import ray_home_fixture  # noqa: F401
from tests.engines.ray.test_tune import losses, searched, study

pytestmark = [pytest.mark.ray, pytest.mark.kill]

WAITS, TOGETHER = "tests.engines.ray.trials:waits", "tests.engines.ray.trials:together"
STORE_BYTES = 80 * 2**20
#: A dead node is missed after a second instead of fifteen.
HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 2,
}
COORDINATOR = """
import sys
from pathlib import Path
from harness.engines.ray.tune import RayEngine
from harness.search.search import Search
from harness.records.rundir import RunFolder
from harness.records.store import StudyStore
from tests.engines.ray.test_tune import searched

run, data, address = RunFolder(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
spec = searched("rungs", address=address)
store = StudyStore.open(run.database, "fake", ["accuracy"])
RayEngine(run, spec, ()).run(Search(spec, store, run), data, "tests.engines.ray.trials:waits")
"""


@pytest.fixture(scope="module")
def cluster(ray_home: Path) -> Iterator[Cluster]:
    """A head without room for trials and two nodes with a core and a GPU, all on the loopback address.

    The GPUs are there for Ray's books only.
    """
    folder = Path(tempfile.mkdtemp(prefix="hc-"))
    (folder / "ray").mkdir()
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    path = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        with changed_environment({"RAY_TMPDIR": str(folder), "PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}):
            head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
            cluster = Cluster(initialize_head=True, head_node_args=head | {"_system_config": HEALTH})
            for name in ("left", "right"):
                cluster.add_node(num_cpus=1, num_gpus=1, node_name=name, object_store_memory=STORE_BYTES)
            try:
                yield cluster
            finally:
                cluster.shutdown()
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        shutil.rmtree(folder, ignore_errors=True)
    psutil.wait_procs(children(), timeout=20)
    assert not children()


def test_ray_cluster_spreads_trials_over_nodes(cluster: Cluster, run: RunFolder, data: str) -> None:
    """Four trials at once on two nodes, half a GPU each: none ends before all have begun."""
    configs = [config(number) for number in range(5)]
    configs = [each.model_copy(update={"params": each.params | {"with": 4}}) for each in configs]
    source = FakeSource(configs)
    spec = study(address=cluster.address, resources_per_trial={"cpu": 0.5, "gpu": 0.5})
    RayEngine(run, spec, ()).run(source, data, TOGETHER)
    assert [source.by_number[number].state for number in range(5)] == [COMPLETE] * 5
    places = [source.by_number[number].place for number in range(4)]
    assert sorted(place.node for place in places if place) == ["left", "left", "right", "right"]
    assert len({place.slot for place in places if place}) == 4, "a slot is of one node"
    assert {words[1] for words in diary(data, "begun")} == {"0"}, "each node has one GPU"
    assert not ray.is_initialized()
    assert len(cluster.list_all_nodes()) == 3, "a cluster that was joined is never stopped"


@pytest.mark.long
def test_ray_cluster_is_as_good_as_one_slot(cluster: Cluster, run: RunFolder, data: str) -> None:
    """The same losses on whatever node, whatever the order."""
    source, alone = (FakeSource([config(number) for number in range(4)], pause_at=2, top=2) for _ in range(2))
    RayEngine(run, study(address=cluster.address), ()).run(source, data, TRIAL)
    InlineEngine(run, make_slots(1)[0]).run(alone, data, TRIAL)
    assert losses(source.records) == losses(alone.records)


@pytest.mark.long
def test_ray_cluster_coordinator_is_killed_and_started_again(cluster: Cluster, run: RunFolder, data: str) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, str(run.path), data, cluster.address],
        env=os.environ | {"PYTHONPATH": path, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"},  # loopback, as the cluster
    )
    try:
        until(lambda: process.poll() is not None or diary(data, "waiting"))
        assert process.poll() is None, "what it printed is below"
    finally:
        process.kill()
        process.wait(timeout=20)
    (Path(data) / "go").touch()
    spec = searched("rungs", address=cluster.address)
    store = StudyStore.open(run.database, "fake", ["accuracy"])
    ended = {record.number: record for record in store.records() if record.state.ended}
    left = [record for record in store.records() if record.state is TrialState.RUNNING]
    assert left
    RayEngine(run, spec, ()).run(Search(spec, store, run), data, WAITS)
    records = store.records()
    store.close()
    assert [record.number for record in records] == list(range(8))
    assert all(record.state.ended for record in records)
    assert [records[number] for number in ended] == list(ended.values()), "what had ended is not run again"
    for record in left:
        assert (records[record.number].params, records[record.number].seed) == (record.params, record.seed)
    steps = [tuple(words) for words in diary(data, "step")]
    repeated = len(steps) - len(set(steps))
    assert repeated <= 2 * 8, "at most one rung of what was running"


@pytest.mark.long
def test_ray_cluster_node_dies_in_mid_trial(cluster: Cluster, run: RunFolder, data: str) -> None:
    """No trial is lost and none is told twice. Last of the tests: the cluster is one node smaller after it."""

    def kill_node() -> None:
        """Kills the node on which trial 0 is at its last evaluation; then nothing holds the trials back any more."""
        try:
            until(lambda: "0" in [words[0] for words in diary(data, "waiting")])
            pid = next(int(words[1]) for words in diary(data, "waiting") if words[0] == "0")
            raylet = psutil.Process(psutil.Process(pid).ppid())
            (node,) = [node for node in cluster.worker_nodes if raylet.pid in pids(node)]
            family = raylet.children(recursive=True)
            cluster.remove_node(node, allow_graceful=False)
            for process in family:  # a process outlives its raylet by a moment, and its machine it does not
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        finally:
            (Path(data) / "go").touch()

    def pids(node: Any) -> set[int]:
        return {info.process.pid for infos in node.all_processes.values() for info in infos}

    source = FakeSource([config(number) for number in range(3)])
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill_node)
        RayEngine(run, study(address=cluster.address), ()).run(source, data, WAITS)
        killing.result(timeout=60)
    assert [source.by_number[number].state for number in range(3)] == [COMPLETE] * 3
    assert len(source.records) == 3
    told = [tuple(call.split()[1:3]) for call in source.calls if call.startswith("decide")]
    assert len(told) == len(set(told)) == 9
    assert len({words[1] for words in diary(data, "start") if words[0] == "0"}) == 2, "it began again elsewhere"
    assert [progress.step for progress in source.by_number[0].history] == [2, 4, 8]
    assert len({record.place.node for record in source.records if record.place}) == 1, "one node is left"
