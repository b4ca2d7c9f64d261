"""Encoder-decoders: what is learned, the loss of a plain loop, two copies of an encoder, and written targets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.benchmark.data import of_length
from harness.data.prepare import prepare
from harness.data.prepared import PreparedData
from harness.errors import CheckpointError
from harness.records.schema import Place
from harness.spec.study import StudySpec
from harness.spec.trial import TrialConfig
from harness.stats.completions import texts_of
from harness.stats.ragged import ragged_of
from harness.tasks import task_of
from harness.tasks.encode import baselines, encoded, facts
from harness.tasks.models import load_saved, quiet
from harness.tasks.tokenizers import train_byte_tokenizer, train_tokenizer
from harness.training import loop
from harness.training.clock import Clock
from harness.training.host import Host
from harness.training.weights import cast_model
from harness.trial import run_trial
from tests.tasks.kinds import architecture_of
from tests.tasks.tiny import ARCHITECTURES, architecture, config

TASK: Any = task_of("seq2seq")
CPU = torch.device("cpu")
WORDS = ("jump", "walk", "look", "run")
TIMES = ("", " twice", " thrice")
BART = {
    "d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 40, "vocab_size": 380,
}  # fmt: skip
T5 = {**ARCHITECTURES["t5"], "vocab_size": 380}


def rows(count: int = 80) -> list[dict[str, Any]]:
    found = []
    for at in range(count):
        word, times, other = WORDS[at % 4], at // 4 % 3, WORDS[at // 12 % 4]
        target = " ".join([word.upper()] * (times + 1) + [other.upper()] * (1 + at // 48))
        found.append({"source": f"{word}{TIMES[times]} and {other} in room {at}", "target": target})
    return found


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., PreparedData]:
    def prepared(table: list[dict[str, Any]]) -> PreparedData:
        folder = tmp_path_factory.mktemp("pairs")
        (folder / "t.jsonl").write_text("\n".join(map(json.dumps, table)), encoding="utf-8")
        study = {
            "name": "s",
            "task": "seq2seq",
            "data": {"path": str(folder / "t.jsonl")},
            "model": {"checkpoint": "x"},
        }
        return prepare(StudySpec.model_validate(study), folder / "cache")

    return prepared


@pytest.fixture(scope="module")
def data(make: Callable[..., PreparedData]) -> PreparedData:
    return make(rows())


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny T5, a tiny BART and a tiny BERT, in folders."""
    texts = [row[name] for row in rows() for name in row]
    folders = {name: tmp_path_factory.mktemp(name) for name in ("t5", "bart", "bert")}
    for name in ("t5", "bart"):
        train_byte_tokenizer(texts, 380, folders[name], at_spaces=True, ends=True)
    train_tokenizer(texts, 200, 40, True, folders["bert"])
    with quiet():
        from transformers import (
            BartConfig,
            BartForConditionalGeneration,
            BertConfig,
            BertModel,
            T5Config,
            T5ForConditionalGeneration,
        )

        torch.manual_seed(0)
        ids = {"pad_token_id": 0, "eos_token_id": 1}
        T5ForConditionalGeneration(T5Config(**T5, **ids, decoder_start_token_id=0)).save_pretrained(folders["t5"])
        settings = BartConfig(**BART, **ids, bos_token_id=None, decoder_start_token_id=1, forced_eos_token_id=None)
        BartForConditionalGeneration(settings).save_pretrained(folders["bart"])
        BertModel(BertConfig(**ARCHITECTURES["bert"])).save_pretrained(folders["bert"])
    return folders


def trial(checkpoint: Path | None, options: dict[str, Any] | None = None, **data: Any) -> TrialConfig:
    model = {"architecture": {"model_type": "t5", **T5}} if checkpoint is None else {"checkpoint": str(checkpoint)}
    made = config("seq2seq", data={"max_length": 32, **data}, **model)
    return made.model_copy(update={"task_options": options or {}})


def model_of(config: TrialConfig, data: PreparedData) -> Any:
    torch.manual_seed(0)
    with quiet():
        return TASK.build_model(config, data).eval()


def tokens_of(examples: Any, name: str, row: int) -> list[int]:
    found: list[int] = ragged_of(examples.fields[name]).take(np.array([row])).values.tolist()
    return found


def host() -> Host:
    return Host(place=Place(node="n", device="cpu", slot=0, threads=1))


@pytest.mark.parametrize("family", ["t5", "bart", "bert"])
def test_losses_are_those_of_a_plain_loop(data: PreparedData, checkpoints: dict[str, Path], family: str) -> None:
    """Six steps of AdamW in micro-batches: the loss is divided by the target tokens of the whole batch."""
    folder = checkpoints[family]
    study = trial(folder)
    update = {"epochs": 2.0, "accumulation_steps": 2, "schedule": "constant"}
    recipe = study.training.model_copy(update=update)
    study = study.model_copy(update={"training": recipe, "model": study.model.model_copy(update={"dropout": 0.0})})
    trainer = loop.Trainer(study, data, host(), CPU, Clock())
    with quiet():
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, EncoderDecoderModel

        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        if family == "bert":
            model: Any = EncoderDecoderModel.from_encoder_decoder_pretrained(
                folder, folder, encoder_hidden_dropout_prob=0.0, decoder_hidden_dropout_prob=0.0,
                encoder_attention_probs_dropout_prob=0.0, decoder_attention_probs_dropout_prob=0.0,
            )  # fmt: skip
        else:
            names = {"t5": ("dropout_rate",), "bart": ("dropout", "attention_dropout", "activation_dropout")}[family]
            model = AutoModelForSeq2SeqLM.from_pretrained(folder, **dict.fromkeys(names, 0.0))
    model.load_state_dict(trainer.model.state_dict())  # what the checkpoint lacks is drawn
    if family == "bert":
        model.config.decoder_start_token_id, model.config.pad_token_id = tokenizer.cls_token_id, tokenizer.pad_token_id
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=0.0)
    frame = data.frame("train")
    model.train()
    for step, batch in enumerate(trainer.splits.batches(0, 6)):
        trainer.train_to(step + 1)
        inputs = tokenizer(frame["source"][batch].tolist(), padding=True, return_tensors="pt")
        ids = [row[family == "bert" :] for row in tokenizer(text_target=frame["target"][batch].tolist())["input_ids"]]
        labels = torch.full((len(batch), max(map(len, ids))), -100)
        for at, row in enumerate(ids):
            labels[at, : len(row)] = torch.tensor(row)
        read = model.prepare_decoder_input_ids_from_labels(labels)
        logits = model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], decoder_input_ids=read
        ).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        assert trainer.take_train_loss() == pytest.approx(float(loss.detach()), rel=1e-5)


def test_model_computes_no_loss_of_its_own(data: PreparedData, checkpoints: dict[str, Path]) -> None:
    study = trial(checkpoints["t5"])
    output = model_of(study, data)(**TASK.collate(encoded(data, study, "train"), np.arange(8)))
    assert output.loss is None
    assert output.past_key_values is None, "no cache is kept in training"


def test_out_of_memory_halves_exactly(
    data: PreparedData, checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = trial(checkpoints["t5"])
    study = study.model_copy(update={"model": study.model.model_copy(update={"dropout": 0.0})})
    whole = [pause.progress for pause in run_trial(study, str(data.folder), host())]
    backward = loop.Trainer._backward

    def tight(self: loop.Trainer, rows: np.ndarray) -> object:
        if self.micro_batch_size > 2:
            raise torch.OutOfMemoryError("out of memory (pretended)")
        return backward(self, rows)

    monkeypatch.setattr(loop.Trainer, "_backward", tight)
    halved = [pause.progress for pause in run_trial(study, str(data.folder), host())]
    assert halved[-1].micro_batch_size == 2
    assert halved[-1].train_loss == pytest.approx(whole[-1].train_loss, rel=1e-6)
    assert halved[-1].metrics["loss"] == pytest.approx(whole[-1].metrics["loss"], rel=1e-5)


def frozen(checkpoint: Path, freeze: int | str) -> TrialConfig:
    study = trial(checkpoint, {"generate_tokens": 3, "generate_rows": 2})
    update = {"freeze": freeze, "frozen_dropout": False, "dropout": 0.0}
    return study.model_copy(update={"model": study.model.model_copy(update=update)})


def test_frozen_layers_run_in_every_step(
    data: PreparedData, checkpoints: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the encoder's layers give is not kept: the lengths of rows count the targets too."""
    last = [pause.progress for pause in run_trial(frozen(checkpoints["t5"], 1), str(data.folder), host())][-1]
    assert "a decoder reads tokens of its own" in capsys.readouterr().err
    assert np.isfinite(last.metrics["loss"])


@pytest.mark.parametrize("family", ["t5", "bert"])
def test_backbone_is_not_frozen_where_it_is_everything(
    data: PreparedData, checkpoints: dict[str, Path], family: str
) -> None:
    with pytest.raises(CheckpointError, match="leaves nothing of this"):
        loop.Trainer(frozen(checkpoints[family], "backbone"), data, host(), CPU, Clock())


def test_tokens_are_those_of_transformers(data: PreparedData, checkpoints: dict[str, Path]) -> None:
    with quiet():
        from transformers import AutoTokenizer

    frame = data.frame("train")
    for family, folder in checkpoints.items():
        examples, tokenizer = encoded(data, trial(folder), "train"), AutoTokenizer.from_pretrained(folder)
        for row in range(5):
            assert tokens_of(examples, "input_ids", row) == tokenizer(frame["source"][row])["input_ids"]
            labels = tokenizer(text_target=frame["target"][row])["input_ids"]
            assert tokens_of(examples, "labels", row) == (labels[1:] if family == "bert" else labels)
        assert examples.fields["bytes"].tolist() == [len(text.encode()) for text in frame["target"]]
        whole = [len(tokens_of(examples, name, 3)) for name in ("input_ids", "labels")]
        assert examples.lengths[3] == sum(whole)


def test_copies_of_an_encoder_share_its_weights_and_draw_the_rest(
    data: PreparedData, checkpoints: dict[str, Path]
) -> None:
    """Attention to the encoder and the head are those of the trial's seed; the template keeps its own."""
    shared, found = host(), []
    for seed in (0, 1, 0):
        study = trial(checkpoints["bert"])
        study = study.model_copy(update={"training": study.training.model_copy(update={"seed": seed})})
        torch.manual_seed(seed)
        trainer = loop.Trainer(study, data, shared, CPU, Clock())
        found.append({name: value.clone() for name, value in trainer.model.state_dict().items()})
        trainer.train_to(2)
    saved = load_saved(checkpoints["bert"], "AutoModel").state_dict()
    cross = [name for name in found[0] if "crossattention" in name and name.endswith("query.weight")]
    assert len(cross) == 3
    for name, value in saved.items():
        assert torch.equal(found[1][f"encoder.{name}"], value)
        if "pooler" not in name:
            assert torch.equal(found[1][f"decoder.bert.{name}"], value)
    for name in [*cross, "decoder.cls.predictions.transform.dense.weight"]:
        assert not torch.equal(found[0][name], found[1][name])
    assert all(torch.equal(found[0][name], found[2][name]) for name in found[0])


@pytest.mark.parametrize("family", ["t5", "bart", "bert"])
def test_targets_are_those_of_each_source_alone(
    data: PreparedData, checkpoints: dict[str, Path], family: str, caplog: pytest.LogCaptureFixture
) -> None:
    study = trial(checkpoints[family], {"generate_tokens": 9})
    model, examples = model_of(study, data), encoded(data, study, "validation")
    written = TASK.write(model, examples, np.arange(6), CPU, checkpoints[family], study)
    assert not caplog.records, "transformers warns of settings given twice"
    tokenizer = TASK.load_tokenizer(checkpoints[family])
    for row, text in enumerate(texts_of(ragged_of(written["texts"]))):
        source = torch.tensor([tokens_of(examples, "input_ids", row)])
        target = torch.tensor([[model.config.decoder_start_token_id]])
        for _ in range(9):
            token = model(input_ids=source, decoder_input_ids=target).logits[0, -1].argmax()
            if int(token) == model.config.eos_token_id:
                break
            target = torch.cat([target, token.view(1, 1)], dim=1)
        assert text == tokenizer.decode(target[0, 1:].tolist(), skip_special_tokens=True)


def test_targets_are_written_for_some_rows_at_the_end_alone(data: PreparedData) -> None:
    study = trial(None, {"generate_tokens": 3, "generate_rows": 5})
    update = {"evaluate_at": (0.5, 1.0), "validation_rows": (None, None), "objectives": ("exact_match",)}
    early, last = (pause.progress for pause in run_trial(study.model_copy(update=update), str(data.folder), host()))
    written = {"exact_match", "rouge_l", "chrf"}
    assert not written & early.metrics.keys()
    assert written < last.metrics.keys()
    assert {"loss", "token_accuracy", "bits_per_byte"} < early.metrics.keys()


@pytest.mark.parametrize("family", ["t5", "bart", "bert"])
def test_card_code_writes_what_predict_does(
    data: PreparedData,
    checkpoints: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    family: str,
) -> None:
    """An export loads with plain transformers and writes the same text, of two copies of an encoder too."""
    study = trial(checkpoints[family], {"generate_tokens": 6})
    with quiet():
        model_of(study, data).save_pretrained(tmp_path)
        TASK.write_processor(study, data, tmp_path)
        exec(TASK.usage(str(tmp_path)).replace("a source", "jump twice and run"), {})  # noqa: S102
    printed = capsys.readouterr().out.rstrip("\n").splitlines()[-1]
    examples = TASK.predict_inputs([{"source": "jump twice and run"}], tmp_path, 32)
    outputs = TASK.write(load_saved(tmp_path, TASK.auto), examples, np.arange(1), CPU, tmp_path)
    assert TASK.predict(outputs, 0, ()) == {"target": printed}
    if family == "bert":
        with quiet():
            from transformers import EncoderDecoderModel

            assert EncoderDecoderModel.from_pretrained(tmp_path).config.decoder_start_token_id is not None


@pytest.mark.parametrize(
    ("family", "what"),
    [("gpt2", "no encoder-decoder"), ("distilbert", "no encoder-decoder"), ("xlm", "cannot be a decoder")],
)
def test_decoders_and_encoders_that_cannot_decode_are_refused(data: PreparedData, family: str, what: str) -> None:
    made = architecture(family) if family in ARCHITECTURES else architecture_of(family)
    study = config("seq2seq", architecture={**made, "vocab_size": 380})
    with quiet(), pytest.raises(CheckpointError, match=what):
        TASK.build_model(study, data)


def test_half_of_a_checkpoint_is_refused(data: PreparedData, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    with quiet():
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, T5EncoderModel

        T5EncoderModel.from_pretrained(checkpoints["t5"]).save_pretrained(tmp_path / "encoder")
        whole = AutoModelForSeq2SeqLM.from_pretrained(checkpoints["t5"])
        state = {name: value for name, value in whole.state_dict().items() if not name.startswith("decoder.block.1")}
        whole.save_pretrained(tmp_path / "cut", state_dict=state)
        for name in ("encoder", "cut"):
            AutoTokenizer.from_pretrained(checkpoints["t5"]).save_pretrained(tmp_path / name)
    with pytest.raises(CheckpointError, match="is the encoder of a t5 model alone"):
        TASK.build_model(trial(tmp_path / "encoder"), data)
    with pytest.raises(CheckpointError, match="tensors of the encoder-decoder are missing"):
        TASK.build_model(trial(tmp_path / "cut"), data)


def test_what_is_cut_or_cannot_be_written_is_told(data: PreparedData, checkpoints: dict[str, Path]) -> None:
    lines = [line for line in facts(data, trial(checkpoints["t5"], max_length=3)) if "cut" in line]
    assert any("sources have more than 3 tokens" in line for line in lines)
    assert any("targets have more than 3 tokens" in line for line in lines)
    examples = encoded(data, trial(checkpoints["t5"], max_length=3), "train")
    for row, text in enumerate(data.frame("train")["target"]):
        assert len(tokens_of(examples, "labels", row)) <= 3
        assert examples.fields["bytes"][row] <= len(text.encode()) == examples.fields["whole_bytes"][row]
    assert any("cannot be written" in line for line in facts(data, trial(checkpoints["bert"])))
    assert not any("cannot be written" in line for line in facts(data, trial(checkpoints["t5"])))


def test_cleaning_and_copies_change_sources_alone(data: PreparedData, checkpoints: dict[str, Path]) -> None:
    study = trial(checkpoints["t5"], preprocess=("strip_punctuation",), augment=("swap",))
    plain, changed = encoded(data, trial(checkpoints["t5"]), "train"), encoded(data, study, "train")
    count = len(plain)
    assert len(changed) == 2 * count
    for row in range(count):
        labels = tokens_of(plain, "labels", row)
        assert tokens_of(changed, "labels", row) == tokens_of(changed, "labels", row + count) == labels
    sources = [[tokens_of(changed, "input_ids", row + copy) for row in range(count)] for copy in (0, count)]
    assert sum(a != b for a, b in zip(*sources, strict=True)) > count // 2


def test_baselines_are_others_targets_and_the_source(data: PreparedData) -> None:
    found, targets = baselines(data, "seq2seq", None, ["validation"])
    assert list(found) == [
        "nearest training source (TF-IDF of word 1-2-grams)", "commonest target", "copy of the source"
    ]  # fmt: skip
    copied = texts_of(ragged_of(found["copy of the source"]["validation"]["texts"]))
    assert copied == data.frame("validation")["source"].tolist()
    metrics = TASK.metrics(found["commonest target"]["validation"], targets["validation"])
    assert metrics.keys() == {"exact_match", "rouge_l", "chrf"}


def test_scratch_learns_whole_words(data: PreparedData) -> None:
    """Tokens are words with the space before them, so that a target of few words has few tokens."""
    examples = encoded(data, trial(None), "train")
    words = [len(text.split()) for text in data.frame("train")["target"]]
    assert [len(tokens_of(examples, "labels", row)) - 1 for row in range(len(words))] == words


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_what_transformers_keeps_in_fp32_stays_so(
    data: PreparedData, checkpoints: dict[str, Path], dtype: torch.dtype
) -> None:
    model = model_of(trial(checkpoints["t5"]), data)
    cast_model(model, dtype)
    with quiet():
        from transformers import AutoModelForSeq2SeqLM

        plain = AutoModelForSeq2SeqLM.from_pretrained(checkpoints["t5"], dtype=dtype)
    for (name, own), (_, theirs) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        assert own.dtype == theirs.dtype, name
    model(**TASK.collate(encoded(data, trial(checkpoints["t5"]), "train"), np.arange(4)))


def test_sources_of_a_bench_have_exactly_the_length(data: PreparedData, checkpoints: dict[str, Path]) -> None:
    examples = encoded(of_length(data, 12, 8), trial(checkpoints["t5"], max_length=12), "train")
    assert np.diff(ragged_of(examples.fields["input_ids"]).offsets).tolist() == [12] * 8
