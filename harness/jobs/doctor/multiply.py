"""A process that measures matrix products: `python -m harness.jobs.doctor.multiply DEVICE THREADS` prints JSON."""

from __future__ import annotations

import json
import sys

__all__ = ["main"]


def main(label: str, threads: int) -> None:
    """Prints the GFLOP/s of each precision that trains well on the device, `{"fp32": 120.5, "bf16": 310.2}`."""
    import torch

    from harness.benchmark.ceiling import matmul_ceiling
    from harness.training.precision import CANDIDATES
    from harness.training.weights import DTYPES

    torch.set_num_threads(threads)
    device = torch.device(label)
    names = CANDIDATES.get(device.type, ("fp32",))
    speeds = {name: matmul_ceiling(device, DTYPES[name]) / 1e9 for name in names}
    sys.stdout.write(json.dumps(speeds) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
