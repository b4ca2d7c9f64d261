"""The tasks that are built in: fields, metrics, options, and the training keys that their losses have."""

from __future__ import annotations

from harness.spec.task_options import (
    AnswerOptions,
    ClickOptions,
    CompletionOptions,
    DetectionOptions,
    ImageOptions,
    LabelSetOptions,
    WritingOptions,
)
from harness.spec.tasks.facts import TaskFacts
from harness.spec.tasks.fields import (
    ANSWERS,
    BOXES,
    CATEGORIES,
    CLICK,
    COMPLETION,
    CONTEXT,
    DOCUMENT,
    IMAGE,
    ITEM,
    LABEL,
    LABELS,
    MESSAGES,
    NOTE,
    NUMBER,
    NUMBERS,
    PROMPT,
    QUESTION,
    SOURCE,
    TAGS,
    TARGET,
    TEXT,
    TEXT_PAIR,
    USER,
    WORDS,
)
from harness.stats.answers import ANSWERS as ANSWER_METRICS
from harness.stats.boxes.metrics import DETECTIONS
from harness.stats.classification import CLASSIFICATION
from harness.stats.clicks import CLICKS
from harness.stats.completions import COMPLETIONS, TRANSLATIONS
from harness.stats.label_sets import LABEL_SETS
from harness.stats.regression import REGRESSION
from harness.stats.tags import TAGS as TAG_METRICS

__all__ = ["RECIPE", "TASKS"]

_CLASS_RECIPE = frozenset({"label_smoothing", "class_weights"})

#: The tasks that are built in, by name.
TASKS: dict[str, TaskFacts] = {
    facts.name: facts
    for facts in (
        TaskFacts(
            name="text-classification",
            inputs="texts",
            fields=(TEXT, TEXT_PAIR, LABEL),
            metrics=CLASSIFICATION,
            loss="log_loss",
            recipe=_CLASS_RECIPE,
            lens="classes",
            pipeline="text-classification",
        ),
        TaskFacts(
            name="multi-label-classification",
            inputs="texts",
            fields=(TEXT, TEXT_PAIR, LABELS),
            metrics=LABEL_SETS,
            loss="log_loss",
            options=LabelSetOptions,
            lens="labels",
            pipeline="text-classification",
        ),
        TaskFacts(
            name="text-regression",
            inputs="texts",
            fields=(TEXT, TEXT_PAIR, NUMBER),
            metrics=REGRESSION,
            loss="rmse",
            lens="numbers",
            pipeline="text-classification",
        ),
        TaskFacts(
            name="token-classification",
            inputs="texts",
            fields=(WORDS, TAGS),
            metrics=TAG_METRICS,
            loss="log_loss",
            recipe=frozenset({"label_smoothing"}),
            lens="spans",
            pipeline="token-classification",
        ),
        TaskFacts(
            name="question-answering",
            inputs="questions",
            fields=(QUESTION, CONTEXT, ANSWERS),
            metrics=ANSWER_METRICS,
            loss="log_loss",
            options=AnswerOptions,
            lens="answers",
            pipeline="question-answering",
        ),
        TaskFacts(
            name="image-classification",
            inputs="images",
            fields=(IMAGE, LABEL),
            metrics=CLASSIFICATION,
            loss="log_loss",
            recipe=_CLASS_RECIPE,
            options=ImageOptions,
            lens="classes",
            pipeline="image-classification",
        ),
        TaskFacts(
            name="object-detection",
            inputs="pictures",
            fields=(IMAGE, BOXES),
            metrics=DETECTIONS,
            loss="detection_loss",
            options=DetectionOptions,
            only_fp32=True,
            lens="boxes",
            pipeline="object-detection",
        ),
        TaskFacts(
            name="causal-lm",
            inputs="prompts",
            fields=(PROMPT, MESSAGES, DOCUMENT, COMPLETION),
            metrics=COMPLETIONS,
            loss="loss",
            recipe=frozenset({"label_smoothing"}),
            options=CompletionOptions,
            lens="completions",
            pipeline="text-generation",
            layouts=(
                {"prompt": "prompt", "completion": "completion"},
                {"prompt": ("instruction", "input"), "completion": "output"},
                {"prompt": "instruction", "completion": "output"},
                {"messages": "messages"},
                {"text": "text"},
            ),
        ),
        TaskFacts(
            name="seq2seq",
            inputs="sources",
            fields=(SOURCE, TARGET),
            metrics=TRANSLATIONS,
            loss="loss",
            recipe=frozenset({"label_smoothing"}),
            options=WritingOptions,
            lens="completions",
        ),
        TaskFacts(
            name="click-through",
            inputs="rows",
            fields=(USER, ITEM, CATEGORIES, NUMBERS, NOTE, CLICK),
            metrics=CLICKS,
            loss="log_loss",
            recipe=frozenset({"label_smoothing"}),
            options=ClickOptions,
            lens="clicks",
            pipeline="tabular-classification",
        ),
    )
}
#: The training keys that only the losses of some tasks have.
RECIPE: frozenset[str] = frozenset().union(*(facts.recipe for facts in TASKS.values()))
