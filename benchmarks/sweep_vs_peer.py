"""The whole comparison with what a user would pick instead: measures, prints the table of targets, keeps a JSON.

Usage: python benchmarks/sweep_vs_peer.py --data FOLDER [--parts job,expert] [--out FILE.json]

FOLDER holds train.csv and test.csv, columns text and label. Ours and the peer run in turn, each in a fresh process with
all cores. What FILE.json has is not measured again, so an interrupted comparison goes on; take a part out of it to
measure it anew. Needs: pip install '.[peers]'
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from versus import job, machine, training
from versus.ledger import Ledger, Row, Setting

PARTS: dict[str, Callable[[Ledger], list[Row]]] = {
    "job": job.job,
    "expert": job.expert,
    "confirm": job.confirm,
    "seeds": job.seeds,
    "step": training.step,
    "long-step": training.long_step,
    "ceiling-share": machine.ceiling_share,
    "trial-start": machine.trial_start,
    "cold-start": machine.cold_start,
    "coordinator": machine.coordinator,
    "slots": machine.slots,
}
NOTES = """\
Ours is `harness sweep studies/trec6.yaml` with the values of the setting, from the start of the process to its end:
search, winner, export, test, report. The peer is `Trainer.hyperparameter_search`, which trains its winner once more,
because its search keeps no model. Space, trials and epochs are equal, and both train, validate and test on the same
rows. The differences that are left: each side draws its own params; ours tries the default recipe first and scores its
first rung on at most 256 of the validation rows; the peer stops trials by Optuna's median rule at the ends of epochs.
Ours also writes a report and scores a baseline, which the peer has not."""


def page(document: dict[str, Any]) -> str:
    """The table as Markdown, of all parts that the document has, in the order of the targets."""
    setting, host = document["setting"], document["machine"]
    lines = [
        f"# {setting['trials']} trials, {setting['epochs']} epochs, {setting['rows']:,} training rows of "
        f"{Path(setting['data']).name}: ours against the peer",
        "",
        f"{host['processor']}, {host['cores']} cores, {host['memory_gib']} GiB; Python {host['python']}; "
        f"{setting['checkpoint']}.",
        "",
        "| what | target | reached | met |",
        "|---|---|---|---|",
    ]
    words = {True: "yes", False: "no", None: "-"}
    for part in PARTS:
        for row in document["rows"].get(part, ()):
            lines.append(f"| {row['what']} | {row['target']} | {row['reached']} | {words[row['met']]} |")
    return "\n".join([*lines, "", NOTES, ""])


def _parts(text: str) -> list[str]:
    chosen = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in chosen if part not in PARTS]
    if unknown or not chosen:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; parts are {', '.join(PARTS)}")
    return [part for part in PARTS if part in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.csv and test.csv")
    parser.add_argument("--long-data", type=Path, help="the same, long texts; default: zh_chnsenticorp_hotel beside it")
    parser.add_argument("--checkpoint", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2000, help="training rows")
    parser.add_argument("--parts", type=_parts, default=list(PARTS), help="comma-separated; default: all")
    parser.add_argument("--out", type=Path, default=Path("sweep_vs_peer.json"))
    asked = parser.parse_args()
    setting = Setting(
        data=str(asked.data),
        long_data=str(asked.long_data or asked.data.parent / "zh_chnsenticorp_hotel"),
        checkpoint=asked.checkpoint,
        trials=asked.trials,
        epochs=asked.epochs,
        rows=asked.rows,
    )
    ledger = Ledger(asked.out, setting)
    for part in asked.parts:
        ledger.conclude(part, PARTS[part](ledger))
    print(page(ledger.document))


if __name__ == "__main__":
    main()
