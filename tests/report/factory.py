"""Studies that never ran: results of any size and oddity, with their files, made from a seed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from math import log10
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.answers import Answers, write_answers
from harness.errors import FailReason
from harness.records.final import DECISIONS, SHOWN, Baseline, Comparison, Final, Finalist, FinalModel, PredictionSpeed
from harness.records.manifest import BEHAVIOUR, Manifest, parsed
from harness.records.results import Results
from harness.records.schema import Place, Progress, Span, TrialRecord, TrialState, Usage, record_of
from harness.spec.study import StudySpec, split_checkpoint
from harness.spec.tasks import TaskFacts, facts_of
from harness.spec.trial import TrialConfig
from harness.stats.metric import Metric, scores
from harness.stats.resampling import compare, interval

__all__ = ["Shape", "make_results"]

RUNGS = (1 / 16, 1 / 4, 1.0)
SPEED = {8: 90.0, 16: 150.0, 32: 205.0}
START = 1_760_000_000.0


@dataclass
class Shape:
    """What kind of study to make."""

    task: str = "text-classification"
    trials: int = 60
    labels: tuple[str, ...] = ("positive", "neutral", "negative")
    objectives: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ("sentence-transformers/all-MiniLM-L6-v2",)
    conditional: bool = False
    fail_every: int = 17
    only_failed: bool = False
    prune: bool = True
    confirm: int = 3
    seeds: int = 3
    slots: int = 2
    name: str = "reviews"
    text: str | tuple[str, ...] = "This is review number {row}, and it is quite good."
    column: str = "text"
    device: str = "AMD EPYC 9B14"
    baseline: str = "TF-IDF + logistic regression"
    warning: str = ""
    note: str = "3 texts that occur twice were kept in one split"
    message: str | tuple[str, ...] = "the loss is not finite at step 40"
    log: str = "epoch {epoch:.2f}  loss {loss:.3f}\n"
    final: bool = True
    seed: int = 0
    extra_params: dict[str, Any] = field(default_factory=dict)
    hostile: tuple[str, ...] = ()
    rows: int = 500
    accuracy: float = 0.865

    def __post_init__(self) -> None:
        self.objectives = self.objectives or (self.first.name,)

    @property
    def facts(self) -> TaskFacts:
        return facts_of(self.task)

    @property
    def first(self) -> Metric:
        """The metric by which the quality of a trial is known: itself where more is better, else 1.3 less it."""
        return self.facts.metrics[0]

    def quality(self, record: TrialRecord) -> float:
        value = float(record.metrics[self.first.name])
        return value if self.first.maximize else 1.3 - value

    @property
    def has_classes(self) -> bool:
        return self.facts.lens == "classes"


def _pick(texts: str | tuple[str, ...], place: int) -> str:
    return texts if isinstance(texts, str) else texts[place % len(texts)]


def make_results(folder: Path, shape: Shape | None = None, **fields: Any) -> Results:
    """A study of the given shape, its logs, predictions and the facts of its data under `folder`."""
    shape = shape or Shape(**fields)
    rng = np.random.default_rng(shape.seed)
    run, data = folder / "runs" / shape.name, folder / "prepared"
    run.mkdir(parents=True, exist_ok=True)
    spec = _spec(shape)
    trials = _trials(shape, rng, run)
    completed = [t for t in trials if t.state is TrialState.COMPLETE]
    completed.sort(key=lambda t: -shape.quality(t))
    confirm = _confirm(shape, rng, completed[: shape.confirm], trials)
    true = _true(shape)
    _write_facts(shape, true, data)
    baselines = [Baseline(name=shape.baseline, metrics=_metrics(shape, 0.78, rng))]
    final = _final(shape, rng, run, completed, confirm, true) if shape.final and completed else None
    return Results(
        folder=run, spec=spec, trials=tuple(trials), confirm=tuple(confirm), baselines=tuple(baselines), final=final,
        manifest=_manifest(shape, spec, data),
    )  # fmt: skip


def _spec(shape: Shape) -> StudySpec:
    training = {
        "learning_rate": {"low": 1e-5, "high": 5e-4, "log": True},
        "batch_size": {"choices": [8, 16, 32]},
        "warmup_fraction": {"low": 0.0, "high": 0.2},
        "weight_decay": {"choices": [0.0, 0.01, 0.1]},
    }
    if shape.conditional:
        training["label_smoothing"] = {"low": 0.0, "high": 0.2, "when": {"training.batch_size": 8}}
    return StudySpec.model_validate(
        {
            "name": shape.name,
            "task": shape.task,
            "data": {"path": "reviews.csv", "text": shape.column},
            "model": {"checkpoint": shape.checkpoints if len(shape.checkpoints) > 1 else shape.checkpoints[0]},
            "training": training,
            "search": {
                "pruner": {"name": "rungs", "reduction_factor": 4},
                "trials": max(1, shape.trials),
                "objectives": shape.objectives,
            },
        }
    )


def _config(shape: Shape, number: int, params: dict[str, Any], seed: int, **fields: Any) -> TrialConfig:
    training = {
        "epochs": 3.0, "weight_decay": 0.01, "warmup_fraction": 0.06, "schedule": "linear", "precision": "bf16",
        "max_grad_norm": 1.0, "label_smoothing": 0.0, "class_weights": "none", "accumulation_steps": 1, "seed": seed,
        "learning_rate": 5e-5, "batch_size": 32,
    }  # fmt: skip
    training |= {name: value for name, value in params.items() if name in training}
    checkpoint, layers = split_checkpoint(params.get("checkpoint", shape.checkpoints[0]))
    return TrialConfig.model_validate(
        {
            "number": number, "task": shape.task, "params": params, "data": {},
            "model": {"checkpoint": checkpoint, "layers": layers}, "training": training, "evaluate_at": RUNGS,
            "validation_rows": (128, 256, None), "rungs": RUNGS[:-1], "objectives": shape.objectives, **fields,
        }
    )  # fmt: skip


def _params(shape: Shape, number: int, rng: np.random.Generator) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if len(shape.checkpoints) > 1:
        params["checkpoint"] = shape.checkpoints[number % len(shape.checkpoints)]
    if number < len(shape.checkpoints):
        params |= {"learning_rate": 5e-5, "batch_size": 32, "warmup_fraction": 0.06, "weight_decay": 0.01}
    else:
        params |= {
            "learning_rate": float(10 ** rng.uniform(-5, -3.3)),
            "batch_size": int(rng.choice([8, 16, 32])),
            "warmup_fraction": float(rng.uniform(0, 0.2)),
            "weight_decay": float(rng.choice([0.0, 0.01, 0.1])),
        }
    if shape.conditional and params["batch_size"] == 8:
        params["label_smoothing"] = float(rng.uniform(0, 0.2))
    if shape.hostile:
        params[_pick(shape.hostile, number)] = _pick(shape.hostile, number + 1)
    return params | shape.extra_params


def _quality(params: dict[str, Any]) -> float:
    bowl = 0.045 * (log10(params["learning_rate"]) + 3.8) ** 2
    return 0.87 - bowl - 0.0004 * params["batch_size"] - 0.1 * abs(params["warmup_fraction"] - 0.08)


def _trials(shape: Shape, rng: np.random.Generator, run: Path) -> list[TrialRecord]:
    clocks = [START] * shape.slots
    records, bests = [], []
    for number in range(shape.trials):
        config = _config(shape, number, _params(shape, number, rng), 0)
        state = TrialState.COMPLETE
        last = len(RUNGS)
        quality = _quality(config.params) + rng.normal() * 0.006
        if shape.only_failed or (shape.fail_every and number % shape.fail_every == shape.fail_every - 1):
            state, last = TrialState.FAIL, 1 if number % 2 else 0
        elif shape.prune and len(bests) > 4 and quality < sorted(bests)[len(bests) // 2]:
            state, last = TrialState.PRUNED, 1 if quality < sorted(bests)[len(bests) // 3] else 2
        if state is not TrialState.FAIL:
            bests.append(quality)
        records.append(_record(shape, rng, config, state, last, quality, clocks, run))
    return records


def _record(
    shape: Shape,
    rng: np.random.Generator,
    config: TrialConfig,
    state: TrialState,
    last: int,
    quality: float,
    clocks: list[float],
    run: Path,
) -> TrialRecord:
    slot = int(np.argmin(clocks))
    batch = config.training.batch_size
    small = config.model.checkpoint != shape.checkpoints[0]
    speed = SPEED.get(batch, 100.0) * (1.7 if small else 1.0) * float(rng.uniform(0.94, 1.05))
    history = [_progress(shape, rng, config, i, quality - 0.03 * small, speed) for i in range(last)]
    spent = history[-1].usage.elapsed_s if history else 2.0
    start = clocks[slot] + float(rng.uniform(0.05, 0.6))
    clocks[slot] = start + spent
    message = _pick(shape.message, config.number)
    log = f"trials/{config.number}/log.txt"
    (run / log).parent.mkdir(parents=True, exist_ok=True)
    lines = [shape.log.format(epoch=p.epoch, loss=p.train_loss) for p in history]
    (run / log).write_text("".join(lines) + (message if state is TrialState.FAIL else ""), encoding="utf-8")
    return record_of(
        config,
        state,
        history,
        reason=FailReason.NAN if state is TrialState.FAIL else None,
        message=message if state is TrialState.FAIL else "",
        place=Place(node="box", device="cpu", slot=slot, threads=1, device_name=shape.device),
        spans=(Span(slot=slot, start=start, end=start + spent),),
        started_at=start,
        ended_at=start + spent,
        log=log,
    )


def _progress(
    shape: Shape, rng: np.random.Generator, config: TrialConfig, rung: int, quality: float, speed: float
) -> Progress:
    batch, share = config.training.batch_size, RUNGS[rung]
    total = 3 * 1200 // batch
    step = max(1, round(total * share))
    samples = step * batch
    step_s = samples / speed
    accuracy = float(np.clip(quality - 0.12 * (1 - share) ** 2 + rng.normal() * 0.004, 0, 1))
    usage = Usage(
        start_s=0.08, data_s=0.03 * step_s, step_s=step_s, evaluation_s=0.5 * (rung + 1),
        saving_s=0.2 if share == 1 else 0.0, elapsed_s=0.08 + 1.03 * step_s + 0.5 * (rung + 1) + 0.2 * (share == 1),
        samples=samples, tokens=samples * 18, positions=samples * 20, steady_s=step_s * 0.9,
        steady_samples=round(samples * 0.9), steady_tokens=round(samples * 16.2),
        peak_memory_mib=600 + 22.0 * batch,
    )  # fmt: skip
    metrics = _metrics(shape, accuracy, rng) | {
        "samples_per_second": usage.samples_per_second,
        "tokens_per_second": usage.tokens_per_second,
        "peak_memory_mib": usage.peak_memory_mib,
    }
    return Progress(
        number=config.number, step=step, total_steps=total, epoch=3 * share, num_rows=(128, 256, shape.rows)[rung],
        metrics=metrics, train_loss=float(1.1 - 0.75 * quality * share**0.4 + rng.normal() * 0.01), usage=usage,
        micro_batch_size=batch,
    )  # fmt: skip


def _metrics(shape: Shape, accuracy: float, rng: np.random.Generator) -> dict[str, float]:
    wiggle = float(rng.normal() * 0.003)
    if not shape.has_classes:
        return {metric.name: accuracy if metric.maximize else 1.3 - accuracy for metric in shape.facts.metrics}
    return {
        "accuracy": accuracy,
        "macro_f1": max(0.0, accuracy - 0.01 + wiggle),
        "mcc": accuracy * 1.4 - 0.45,
        "roc_auc": min(1.0, accuracy + 0.08),
        "log_loss": 1.3 - accuracy,
    }


def _confirm(
    shape: Shape, rng: np.random.Generator, best: list[TrialRecord], trials: list[TrialRecord]
) -> list[TrialRecord]:
    end = max((t.ended_at for t in trials), default=START)
    clocks, records = [end] * shape.slots, []
    for record in best:
        for seed in range(1, shape.seeds):
            config = _config(shape, len(records), dict(record.params), seed, kind="confirm", of=record.number)
            quality = shape.quality(record) + rng.normal() * 0.006
            slot = int(np.argmin(clocks))
            history = [
                _progress(shape, rng, config, i, quality, SPEED.get(config.training.batch_size, 100.0))
                for i in range(3)
            ]
            start, spent = clocks[slot] + 0.2, history[-1].usage.elapsed_s
            clocks[slot] = start + spent
            place = Place(node="box", device="cpu", slot=slot, threads=1)
            spans = (Span(slot=slot, start=start, end=start + spent),)
            records.append(
                record_of(
                    config,
                    TrialState.COMPLETE,
                    history,
                    place=place,
                    spans=spans,
                    started_at=start,
                    ended_at=clocks[slot],
                )
            )
    return records


def _true(shape: Shape) -> np.ndarray:
    """What is true of the rows of validation and test: class ids, or numbers."""
    rng = np.random.default_rng(1)
    return rng.integers(len(shape.labels), size=shape.rows) if shape.has_classes else rng.normal(size=shape.rows)


def _write_facts(shape: Shape, true: np.ndarray, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    labels = shape.labels if shape.has_classes else ()
    counts = {name: int((true == k).sum()) for k, name in enumerate(labels)}
    meta = {
        "labels": list(labels), "counts": dict.fromkeys(("train", "validation", "test"), counts),
        "rows": dict.fromkeys(("train", "validation", "test"), shape.rows),
        "notes": [shape.note], "sha256": "ab" * 32, "source": "reviews.csv",
        "task": shape.task, "image": None,
    }  # fmt: skip
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _probabilities(labels: np.ndarray, accuracy: float, num_labels: int, rng: np.random.Generator) -> np.ndarray:
    """Probabilities that are right in `accuracy` of the rows; hard rows are hard for every model."""
    hardness = np.random.default_rng(7).random(len(labels))
    right = hardness + rng.normal(size=len(labels)) * 0.05 < accuracy
    shift = rng.integers(1, max(2, num_labels), size=len(labels))
    predicted = np.where(right, labels, (labels + shift) % num_labels)
    confidence = np.clip(rng.beta(6, 1.5, size=len(labels)) - 0.25 * ~right, 1 / num_labels + 0.01, 0.999)
    found = np.repeat(((1 - confidence) / max(1, num_labels - 1))[:, None], num_labels, axis=1)
    found[np.arange(len(labels)), predicted] = confidence if num_labels > 1 else 1.0
    return found


def _answers(shape: Shape, true: np.ndarray, accuracy: float, rng: np.random.Generator) -> Answers:
    if not shape.has_classes:
        return Answers({"predictions": true + (1.3 - accuracy) * rng.normal(size=len(true))}, {"numbers": true})
    return Answers({"probabilities": _probabilities(true, accuracy, len(shape.labels), rng)}, {"labels": true})


def _final(
    shape: Shape,
    rng: np.random.Generator,
    run: Path,
    completed: list[TrialRecord],
    confirm: list[TrialRecord],
    true: np.ndarray,
) -> Final:
    metrics = [metric for metric in shape.facts.metrics if metric.name not in ("mcc", "roc_auc")]
    default = next((t for t in completed if t.number == 0), None)
    picks: list[tuple[Any, TrialRecord | None, float]] = [("winner", completed[0], shape.accuracy)]
    if len(completed) > 1:
        picks.append(("runner-up", completed[1], 0.86))
    if default is not None:
        picks.append(("default", default, 0.82))
    arms = {record.params.get("checkpoint") for _, record, _ in picks[:2] if record}
    others = {
        r.params["checkpoint"]: r for r in reversed(completed) if r.params.get("checkpoint", "") not in {*arms, ""}
    }
    picks += [("checkpoint" if at == 0 else f"checkpoint-{at + 1}", r, 0.84) for at, r in enumerate(others.values())]
    picks.append(("baseline", None, 0.77))
    models: list[FinalModel] = []
    tested: dict[str, Answers] = {}
    (run / "final").mkdir(exist_ok=True)
    rows = [_pick(shape.text, row).replace("{row}", str(row)) for row in range(shape.rows)]
    (run / DECISIONS / SHOWN).write_text(json.dumps(rows), encoding="utf-8")
    for role, record, accuracy in picks:
        validation, test = (_answers(shape, true, accuracy, rng) for _ in range(2))
        write_answers(run / "final" / f"{role}.npz", {"validation": validation, "test": test})
        tested[role] = test
        models.append(
            FinalModel(
                role=role, name=f"trial {record.number}" if record else shape.baseline,
                number=record.number if record else None, seed=0 if record else None,
                validation=scores(metrics, validation.outputs, validation.targets),
                test={one.name: interval(one, test.outputs, test.targets) for one in metrics},
                predictions=f"final/{role}.npz", checkpoint=record.params.get("checkpoint") if record else None,
                speed=PredictionSpeed(
                    rows_per_second=900.0 if "small" in str(record.params.get("checkpoint")) else 800.0,
                    row_ms=4.25, megabytes=90.9,
                ) if record else None,
            )
        )  # fmt: skip
    comparisons = []
    for model in models[1:]:
        judge, winner, other = shape.facts.judged_by(shape.objectives), tested["winner"], tested[model.role]
        found = compare(judge, winner.outputs, other.outputs, winner.targets)
        comparisons.append(
            Comparison(
                a="winner", b=model.role, metric=judge.name, probability=found.probability,
                difference=found.difference, mcnemar_p=found.mcnemar_p, tie=found.tie,
            )
        )  # fmt: skip
    finalists = []
    for record in completed[: shape.confirm]:
        runs = [record, *(c for c in confirm if c.config.of == record.number)]
        names = list(record.metrics)
        finalists.append(
            Finalist(
                number=record.number, params=record.params, seeds=tuple(run.seed for run in runs),
                metrics={n: float(np.mean([r.metrics[n] for r in runs])) for n in names},
                std={n: float(np.std([r.metrics[n] for r in runs], ddof=1)) if len(runs) > 1 else 0.0 for n in names},
            )
        )  # fmt: skip
    warnings = (
        *([shape.warning] if shape.warning else []),
        "The winner is not shown to be better than the default recipe: the search found no sure gain.",
    )
    return Final(
        winner=completed[0].number, finalists=tuple(finalists), models=tuple(models), comparisons=tuple(comparisons),
        warnings=warnings, export="best",
    )  # fmt: skip


def _manifest(shape: Shape, spec: StudySpec, data: Path) -> Manifest:
    meta = json.loads((data / "meta.json").read_text(encoding="utf-8"))
    raw = {
        "format": 1,
        "behaviour": BEHAVIOUR,
        "created_at": START,
        "spec": spec.model_dump(mode="json"),
        "command": ["harness", "sweep", f"studies/{shape.name}.yaml"],
        "versions": {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0", "optuna": "5.0.0"},
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
        "machine": {"host": "box", "platform": "Linux-6.1-x86_64", "cpu": "AMD EPYC 9B14", "cpus": 2},
        "devices": [{"node": "box", "device": "cpu", "slot": slot, "threads": 1} for slot in range(2)],
        "data": {"folder": str(data), **meta},
        "weights": dict.fromkeys(shape.checkpoints, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    }
    return parsed(raw, "manifest.json")
