"""Whether a row of categories and numbers is clicked: by a small model of fields, or by any text checkpoint.

A text checkpoint reads each row as a text, which a template makes of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.data.cache import built_once
from harness.data.encoded import Arrays, Encoded, Ragged
from harness.data.kinds.columns import SEVERAL
from harness.data.prepared import PreparedData
from harness.data.resident import Resident
from harness.spec.study import PreprocessStep
from harness.spec.task_options import ClickOptions
from harness.spec.tasks import CATEGORIES, CLICK, ITEM, NOTE, NUMBERS, USER, facts_of
from harness.spec.trial import TrialConfig
from harness.tasks.classification import Classification
from harness.tasks.fields import baselines as simple
from harness.tasks.fields.cells import Cells, rendered, template_of
from harness.tasks.fields.items import ITEMS_FILE, Items, columns_of_user, has_items
from harness.tasks.fields.recommend import ITEMS, SEEN, USERS, candidates, chosen_users, ranks, scores_of
from harness.tasks.fields.table import FILE, FieldTable
from harness.tasks.models import build, model_config, saved_config
from harness.tasks.texts import TextTask

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PreTrainedModel

__all__ = ["TASK", "ClickThrough"]

#: The keys of config.json with which an export makes texts of rows.
_TEMPLATE, _COLUMNS = "row_template", "row_columns"


class ClickThrough(Classification, TextTask):
    """The probability of a click: the output `probabilities` [rows, 2], the target `labels` [rows], 1 for a click."""

    facts = facts_of("click-through")
    value_columns: ClassVar[tuple[str, ...]] = ("probability",)
    max_texts: ClassVar[int] = 1
    beside: ClassVar[tuple[str, ...]] = (USERS, ITEMS, SEEN)

    def encode_key(self, config: TrialConfig) -> Mapping[str, Any]:
        """Returns how columns become ids; of a text checkpoint its tokenizer, and how rows become texts."""
        if _reads_fields(config):
            return _options(config).model_dump(mode="json", exclude={"template"})
        return super().encode_key(config)

    def encode(self, frame: pd.DataFrame, split: str, config: TrialConfig, data: PreparedData) -> Encoded:
        """Returns ids and weights [rows, slots], or tokens of texts; rows have the number of their user beside them."""
        if not _reads_fields(config):
            examples = super().encode(frame, split, config, data)
            copies = len(examples) // max(1, len(frame))
            return replace(examples, fields={**examples.fields, **_users(frame, copies)})
        cells = Cells.of(frame, data.meta.columns)
        table = FieldTable.read(self.processor_folder(config, data))
        examples = _encoded(table, cells)
        notes = [] if split == "train" else _unknown_notes(split, len(frame), table.unknown(cells))
        beside: dict[str, np.ndarray | Ragged] = {**_users(frame)}
        if has_items(data.meta.columns) and split != "train":
            beside = candidates(_pairs(data.frame("train", [USER.name, ITEM.name])), _pairs(frame))
        fields = {**examples.fields, **beside}
        return replace(examples, fields=fields, targets=self.row_targets(frame), stats={"notes": notes})

    def as_texts(self, frame: pd.DataFrame, config: TrialConfig, data: PreparedData) -> pd.DataFrame:
        """Returns the rows with the text that the template makes of each."""
        template = _options(config).template or template_of(data.meta.columns)
        return frame.assign(**{NOTE.name: rendered(template, Cells.of(frame, data.meta.columns))})

    def texts_key(self, config: TrialConfig) -> dict[str, Any]:
        """Returns the template."""
        return {"template": _options(config).template}

    def collate(self, encoded: Encoded, rows: np.ndarray, length: int | None = None) -> dict[str, torch.Tensor]:
        """Returns input_ids int64 and input_weights [rows, slots]; of texts what `TextTask` returns."""
        import torch

        if isinstance(encoded.fields["input_ids"], Ragged):
            return super().collate(encoded, rows, length)
        if isinstance(encoded, Resident):
            ids, weights = (encoded.take(name, rows) for name in ("input_ids", "input_weights"))
        else:
            ids, weights = (
                torch.from_numpy(np.asarray(encoded.fields[name])[rows]) for name in ("input_ids", "input_weights")
            )
        return {"input_ids": ids.long(), "input_weights": weights}

    def build_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        """Returns a new model of fields, whose log-odds begin at those of the training rows, or the text checkpoint."""
        model = self._fields_model(config, data) if _reads_fields(config) else super().build_model(config, data)
        columns = dict(data.meta.columns)
        setattr(model.config, _COLUMNS, columns)
        setattr(model.config, _TEMPLATE, _options(config).template or template_of(columns))
        return model

    def _fields_model(self, config: TrialConfig, data: PreparedData) -> PreTrainedModel:
        table, counts = FieldTable.read(self.processor_folder(config, data)), data.meta.counts["train"]
        settings = model_config(config.model)
        settings.vocab_size, settings.slots = table.vocab_size, table.slots
        of_user = columns_of_user(Cells.of(data.frame("train"), data.meta.columns), data.meta.columns)
        settings.user_slots = table.slots_of(of_user)
        settings.log_odds = float(np.log((counts["1"] + 1) / (counts["0"] + 1)))
        self.set_head(settings, data)
        return build(self.auto, config.model, settings)

    def of_rows(self, outputs: Arrays, encoded: Encoded, rows: np.ndarray) -> Arrays:
        """Returns the outputs with the number of each row's user, where rows have users."""
        if USERS not in encoded.fields:
            return outputs
        return {**outputs, USERS: np.asarray(encoded.fields[USERS])[rows]}

    def write(
        self,
        model: PreTrainedModel,
        encoded: Encoded,
        rows: np.ndarray,
        device: torch.device,
        folder: Path,
        config: TrialConfig | None = None,
    ) -> Arrays:
        """Returns `ranks`: the places of clicked items among those that could be recommended, by a model of fields.

        Nothing where rows have no users and items, and where they are not a whole split.
        """
        if SEEN not in encoded.fields or len(rows) < encoded.num_rows:
            return {}
        most = None if config is None else _options(config).rank_users
        clicked = np.asarray(encoded.targets["labels"]) == 1
        scores = scores_of(model, encoded, np.array(model.config.user_slots, dtype=bool), device)
        found = ranks(encoded.fields, clicked, chosen_users(encoded.fields, most), scores)
        return {"ranks": found[rows]}

    def processor_folder(self, config: TrialConfig, data: PreparedData) -> Path:
        """Returns the folder of the description of the training rows' columns; of texts that of the tokenizer."""
        if not _reads_fields(config):
            return super().processor_folder(config, data)
        options = _options(config)

        def describe(folder: Path) -> None:
            folder.mkdir()
            FieldTable.of(Cells.of(data.frame("train"), data.meta.columns), options).write(folder)

        key = json.dumps(self.encode_key(config), sort_keys=True)
        return built_once(data.folder / "fields" / hashlib.sha256(key.encode()).hexdigest()[:16], describe)

    def baselines(
        self, train: pd.DataFrame, others: Mapping[str, pd.DataFrame], data: PreparedData
    ) -> Iterator[tuple[str, dict[str, Arrays]]]:
        """Yields the click rate of all rows, that of the item, what user and item add to it, and one-hot columns."""
        clicks = train[CLICK.name].to_numpy(dtype=np.int64)
        users = {split: _users(frame) for split, frame in others.items()}

        def outputs(probabilities: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
            both = {split: np.stack([1 - values, values], axis=1) for split, values in probabilities.items()}
            return {split: {"probabilities": both[split], **users[split]} for split in both}

        yield "constant", outputs({split: np.full(len(frame), clicks.mean()) for split, frame in others.items()})
        if ITEM.name in train:
            items = {split: frame[ITEM.name].tolist() for split, frame in others.items()}
            rates = outputs(simple.item_rates(train[ITEM.name].tolist(), clicks, items))
            if USER.name in train:
                rates = {split: {**rates[split], "ranks": _popular(train, frame)} for split, frame in others.items()}
            yield simple.POPULARITY, rates
            if USER.name in train:
                both = {split: (frame[USER.name].tolist(), items[split]) for split, frame in others.items()}
                of_train = (train[USER.name].tolist(), train[ITEM.name].tolist())
                yield simple.LOG_ODDS, outputs(simple.log_odds(*of_train, clicks, both))
        cells = {split: Cells.of(frame, data.meta.columns) for split, frame in {"train": train, **others}.items()}
        table = FieldTable.of(cells["train"], ClickOptions())
        one_hot = {split: table.encoded(of_split) for split, of_split in cells.items()}
        yield simple.LOGISTIC, outputs(simple.logistic(one_hot.pop("train"), clicks, one_hot))

    def on_features(
        self,
        train_features: np.ndarray,
        train_targets: Arrays,
        features: Mapping[str, np.ndarray],
        data: PreparedData,
    ) -> dict[str, Arrays] | None:
        """Returns the probabilities of logistic regression, with the rows' users."""
        found = super().on_features(train_features, train_targets, features, data)
        return found and {split: {**outputs, **_users(data.frame(split))} for split, outputs in found.items()}

    def data_warnings(self, config: TrialConfig, data: PreparedData) -> list[str]:
        """Warns where intervals draw rows, and rows have users; few clicks are no reason to weigh them."""
        user = data.meta.columns.get(USER.name)
        if user is None or data.units("test") is not None:
            return []
        return [f"rows of one user are alike, and intervals draw rows, so they are too narrow: data.resample_by={user}"]

    def answer_warnings(self, outputs: Arrays, targets: Arrays, names: Sequence[str]) -> list[str]:
        """Warns of a model that gives every row the same probability."""
        said = np.asarray(outputs["probabilities"])[:, 1]
        return [f"The model gives every test row the probability {said[0]:.3f}."] if np.ptp(said) < 1e-6 else []

    def show(self, row: Mapping[str, Any]) -> str:
        """Returns the categories and numbers, separated by commas, and the text."""
        parts = [str(row[name]) for name in (USER.name, ITEM.name) if name in row]
        parts += [str(cell).replace(SEVERAL, " ") for cell in row.get(CATEGORIES.name, ())]
        parts += ["" if cell is None or cell != cell else f"{cell:g}" for cell in row.get(NUMBERS.name, ())]
        return ", ".join([*parts, *([str(row[NOTE.name])] if NOTE.name in row else [])])

    def summary(self, names: Sequence[str], *, pairs: bool = False) -> str:
        """Returns what is predicted."""
        return "How probable a click is in rows of categories and numbers"

    def usage(self, folder: str, *, pairs: bool = False) -> str:
        """Returns code that predicts a table."""
        return (
            "import pandas as pd\n\nfrom harness import predict\n\n"
            f'print(predict({json.dumps(folder)}, pd.read_csv("rows.csv")))  # with the columns of training'
        )

    def write_processor(self, config: TrialConfig, data: PreparedData, folder: Path) -> None:
        """Writes the description of the columns, or the tokenizer."""
        if has_items(data.meta.columns):
            Items.of(Cells.of(data.frame("train"), data.meta.columns), data.meta.columns).write(folder)
        if _reads_fields(config):
            FieldTable.read(self.processor_folder(config, data)).write(folder)
        else:
            super().write_processor(config, data, folder)

    def predict_inputs(
        self,
        rows: Sequence[Mapping[str, Any]],
        folder: Path,
        max_length: int,
        preprocess: Sequence[PreprocessStep] = (),
    ) -> Encoded:
        """Encodes rows as training did, from the files of an exported model alone; those of a split have targets."""
        import pandas as pd

        frame, settings = pd.DataFrame(list(rows)), saved_config(folder)
        cells = Cells.of(frame, getattr(settings, _COLUMNS))
        if (folder / FILE).is_file():
            examples = _encoded(FieldTable.read(folder), cells)
        else:
            texts = [{NOTE.name: text} for text in rendered(getattr(settings, _TEMPLATE), cells)]
            examples = super().predict_inputs(texts, folder, max_length, preprocess)
        targets = self.row_targets(frame) if CLICK.name in frame else {}
        beside: dict[str, np.ndarray | Ragged] = {**_users(frame)}
        if targets and (folder / FILE).is_file() and (folder / ITEMS_FILE).is_file():
            beside = candidates(Items.read(folder).pairs(), _pairs(frame))
        return replace(examples, fields={**examples.fields, **beside}, targets=targets)

    def predict(self, outputs: Arrays, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Returns the probability of a click."""
        return {"probability": float(np.asarray(outputs["probabilities"])[row, 1])}


def _reads_fields(config: TrialConfig) -> bool:
    """True for the model of fields; any other reads texts."""
    return (config.model.architecture or {}).get("model_type") == "fields"


def _options(config: TrialConfig) -> ClickOptions:
    return ClickOptions.model_validate(config.task_options)


def _encoded(table: FieldTable, cells: Cells) -> Encoded:
    ids, weights = table.encoded(cells)
    lengths = np.ones(len(ids), dtype=np.int32)
    return Encoded(fields={"input_ids": ids, "input_weights": weights}, targets={}, lengths=lengths)


def _pairs(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    return frame[USER.name].tolist(), frame[ITEM.name].tolist()


def _popular(train: pd.DataFrame, frame: pd.DataFrame) -> np.ndarray:
    """Returns the `ranks` of a split where everybody is recommended the items with most clicks in train."""
    import pandas as pd

    fields = candidates(_pairs(train), _pairs(frame))
    counts = train[ITEM.name][train[CLICK.name] == 1].value_counts()
    scores = counts.reindex(pd.factorize(frame[ITEM.name])[1], fill_value=0).to_numpy()
    clicked = frame[CLICK.name].to_numpy() == 1
    return ranks(fields, clicked, chosen_users(fields, None), lambda users: np.tile(scores, (len(users), 1)))


def _users(frame: pd.DataFrame, copies: int = 1) -> dict[str, np.ndarray]:
    """Returns the number of each row's user, `copies` times one after the other; nothing where rows have no users."""
    import pandas as pd

    if USER.name not in frame:
        return {}
    return {USERS: np.tile(pd.factorize(frame[USER.name])[0].astype(np.int64), copies)}


def _unknown_notes(split: str, num_rows: int, unknown: Mapping[str, int]) -> list[str]:
    """Returns a note on the categories of a split that train lacks."""
    listed = ", ".join(f"'{name}' in {count:,}" for name, count in unknown.items())
    what = f"{split}: categories that train lacks, which count as unknown: {listed} of {num_rows:,} rows"
    return [what] if listed else []


TASK = ClickThrough()
