from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import check
import pytest
from check import Baseline

CHECK = Path(check.__file__)


def run_of(**seconds: float) -> dict[str, Any]:
    """A file of pytest-benchmark, as far as it is read."""
    return {
        "benchmarks": [{"name": name, "stats": {"min": value, "mean": 2 * value}} for name, value in seconds.items()]
    }


def verdict(now: float, *, hardware: str = "here") -> check.Verdict:
    (found,) = check.compare({"test_a": now}, Baseline("here", {"test_a": 10.0}), hardware, 1.5)
    return found


def test_ratios_do_not_depend_on_the_speed_of_the_machine() -> None:
    fast = check.ratios(run_of(test_reference=0.001, test_a=0.02))
    slow = check.ratios(run_of(test_reference=0.004, test_a=0.08))
    assert fast == slow == {"test_a": pytest.approx(20)}


def test_ratios_in_bf16_are_to_the_product_in_bf16() -> None:
    run = run_of(test_reference=0.004, test_reference_bf16=0.001, test_a=0.08)
    run["benchmarks"].append({"name": "test_step[32x64-bf16]", "stats": {"min": 0.05}})
    assert check.ratios(run) == {"test_a": 20.0, "test_step[32x64-bf16]": 50.0}


def test_ratios_want_the_reference() -> None:
    with pytest.raises(ValueError, match="test_reference"):
        check.ratios(run_of(test_a=0.02))


def test_compare_allows_the_factor_and_no_more() -> None:
    assert not verdict(14.9).slower
    assert verdict(15.1).slower
    assert not verdict(0.1).slower


def test_compare_is_more_patient_on_other_hardware() -> None:
    assert not verdict(29.0, hardware="elsewhere").slower
    assert verdict(31.0, hardware="elsewhere").slower


def test_compare_sees_what_is_new_and_what_is_gone() -> None:
    gone, new = check.compare({"test_b": 1.0}, Baseline("here", {"test_a": 1.0}), "here", 1.5)
    assert gone.missing
    assert not new.missing
    assert not new.slower
    (elsewhere,) = check.compare({}, Baseline("here", {"test_a": 1.0}), "elsewhere", 1.5)
    assert not elsewhere.missing  # a precision that the other processor has not


@pytest.mark.parametrize(("seconds", "code"), [(1.2, 0), (3.0, 1)])
def test_check_exits_1_when_something_is_slower(tmp_path: Path, seconds: float, code: int) -> None:
    """With a copy of the script beside a baseline that this test made."""
    script = tmp_path / "check.py"
    script.write_text(CHECK.read_text(encoding="utf-8"), encoding="utf-8")
    file = tmp_path / "run.json"

    def checked(run: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
        file.write_text(json.dumps(run), encoding="utf-8")
        command = [sys.executable, str(script), str(file), *options]
        return subprocess.run(command, cwd=CHECK.parents[1], capture_output=True, text=True, check=False)

    written = checked(run_of(test_reference=1.0, test_a=1.0), "--update")
    assert written.returncode == 0, written.stderr
    done = checked(run_of(test_reference=1.0, test_a=seconds))
    assert done.returncode == code, done.stdout + done.stderr
    assert ("SLOWER" in done.stdout) == (code == 1)


def test_committed_baselines_name_their_hardware_and_benchmarks_that_exist() -> None:
    files = sorted(CHECK.parent.glob("baseline_*.json"))
    assert files
    source = "".join(path.read_text(encoding="utf-8") for path in CHECK.parent.glob("test_*.py"))
    for file in files:
        document = json.loads(file.read_text(encoding="utf-8"))
        assert file.name == f"baseline_{document['hardware']}.json"
        for name, ratio in document["ratios"].items():
            assert ratio > 0
            assert f"def {name.partition('[')[0]}(" in source
