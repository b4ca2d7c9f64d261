"""Several nodes for real: a head and two workers on this machine, each with processes and a store of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import ray
from ray._private import ray_constants
from ray.cluster_utils import Cluster

from harness.engines.protocol import Decision
from harness.engines.ray_session import changed_environment
from harness.engines.ray_tune import RayEngine
from harness.engines.search import Search
from harness.records.rundir import RunFolder
from harness.records.schema import Progress, TrialState
from harness.records.store import StudyStore
from tests.engines.contract import COMPLETE, children
from tests.engines.fakes import TRIAL, Source, config, diary
from tests.engines.fixtures import data_fixture, run_fixture  # noqa: F401
from tests.engines.test_ray_tune import losses, searched, study, until

pytestmark = [pytest.mark.ray, pytest.mark.kill]

WAITS = "tests.engines.ray_trials:waits"
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
from harness.engines.ray_tune import RayEngine
from harness.engines.search import Search
from harness.records.rundir import RunFolder
from harness.records.store import StudyStore
from tests.engines.test_ray_tune import searched

run, data, address = RunFolder(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
spec = searched("rungs", address=address)
store = StudyStore.open(run.database, "fake", ["accuracy"])
RayEngine(run, spec, ()).run(Search(spec, store, run), data, "tests.engines.ray_trials:waits")
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head without room for trials and two nodes with room for one each, all on the loopback address."""
    folder = Path(tempfile.mkdtemp(prefix="hc-"))
    (folder / "ray").mkdir()
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    path = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        with changed_environment({"RAY_TMPDIR": str(folder), "PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}):
            head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
            cluster = Cluster(initialize_head=True, head_node_args=head | {"_system_config": HEALTH})
            for name in ("left", "right"):
                cluster.add_node(num_cpus=1, node_name=name, object_store_memory=STORE_BYTES)
            yield cluster
            cluster.shutdown()
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        shutil.rmtree(folder, ignore_errors=True)
    psutil.wait_procs(children(), timeout=10)
    assert not children()
    assert not folder.exists()


def test_ray_cluster_spreads_trials_over_nodes(cluster: Cluster, run: RunFolder, data: str) -> None:
    configs = [config(0, "after start 1"), config(1, "after start 0"), config(2), config(3)]
    source = Source(configs, pause_at=4, top=2)
    RayEngine(run, study(address=cluster.address), ()).run(source, data, TRIAL)
    assert len(source.records) == 4
    places = {record.number: record.place for record in source.records}
    assert {place.node for place in places.values() if place} == {"left", "right"}
    assert len({(place.node, place.slot) for place in places.values() if place}) == 2, "a slot is of one node"
    assert not ray.is_initialized()
    assert len(cluster.list_all_nodes()) == 3, "a cluster that was joined is never stopped"


def test_ray_cluster_is_as_good_as_one_slot(cluster: Cluster, run: RunFolder, data: str) -> None:
    """The same losses on whatever node, whatever the order."""
    source, alone = (Source([config(number) for number in range(4)], pause_at=2, top=2) for _ in range(2))
    RayEngine(run, study(address=cluster.address), ()).run(source, data, TRIAL)
    RayEngine(run, study(address=cluster.address, max_concurrent=1), ()).run(alone, data, TRIAL)
    assert losses(source.records) == losses(alone.records)


def test_ray_cluster_coordinator_is_killed_and_started_again(cluster: Cluster, run: RunFolder, data: str) -> None:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, str(run.path), data, cluster.address],
        env=os.environ | {"PYTHONPATH": path},
    )
    try:
        until(lambda: diary(data, "waiting"))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
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


def test_ray_cluster_node_dies_in_mid_trial(cluster: Cluster, run: RunFolder, data: str) -> None:
    """No trial is lost and none is told twice. Last of the tests: the cluster is one node smaller after it."""

    class Killing(Source):
        """Kills the node on which trial 0 has made its second evaluation."""

        def decide(self, number: int, progress: Progress) -> Decision:
            decision = super().decide(number, progress)
            if number == 0 and progress.step == 4:
                (right,) = [node for node in cluster.worker_nodes if node.node_id == self.node_of()]
                cluster.remove_node(right, allow_graceful=False)
                threading.Thread(target=let_go, daemon=True).start()
            return decision

        def node_of(self) -> str:
            pid = int(diary(data, "start")[[words[0] for words in diary(data, "start")].index("0")][1])
            raylet = psutil.Process(pid).ppid()
            (node,) = [node for node in cluster.worker_nodes if raylet in pids(node)]
            return str(node.node_id)

    def pids(node: object) -> set[int]:
        return {info.process.pid for infos in node.all_processes.values() for info in infos}  # type: ignore[attr-defined]

    def let_go() -> None:
        """Trial 0 stands at its end until it does so in another process."""
        until(lambda: len({words[1] for words in diary(data, "waiting") if words[0] == "0"}) == 2)
        (Path(data) / "go").touch()

    source = Killing([config(number) for number in range(3)])
    RayEngine(run, study(address=cluster.address), ()).run(source, data, WAITS)
    assert [source.by_number[number].state for number in range(3)] == [COMPLETE] * 3
    assert len(source.records) == 3
    told = [tuple(call.split()[1:3]) for call in source.calls if call.startswith("decide")]
    assert len(told) == len(set(told)) == 9
    moved = source.by_number[0]
    assert [progress.step for progress in moved.history] == [2, 4, 8]
    assert len({record.place.node for record in source.records if record.place}) == 1, "one node is left"
