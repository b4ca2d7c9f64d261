"""Loads the tokenizer of a checkpoint, or trains one on the training split."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.checkpoints.folder import TOKENIZER_FILES, missing_package
from harness.errors import CheckpointError
from harness.tasks.models import config_error, quiet, saved_config

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["load_tokenizer", "tokenizer_digest", "train_byte_tokenizer", "train_tokenizer", "vocabulary_digest"]

#: Vocabularies that any fast tokenizer can be made from, whatever its class calls its own.
_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "tokenizer.model.v3", "tekken.json", "tiktoken.model")
_SETTINGS = {"tokenizer_config.json"}
#: Files of a checkpoint that hold no vocabulary.
_NO_VOCABULARIES = {
    *_SETTINGS,
    *("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json"),
    *("special_tokens_map.json", "added_tokens.json", "model.safetensors.index.json", "chat_template.json"),
}
_PACKAGE = re.compile(r"pip install ([A-Za-z0-9_.-]*[A-Za-z0-9])")


def load_tokenizer(folder: Path, **settings: Any) -> PreTrainedTokenizerBase:
    """Returns the tokenizer of a folder, with a pad token; "[SEP]" or "</s>" in a text is text, not a special token.

    `settings` replace those of its files.

    Raises:
        CheckpointError: the folder has no tokenizer that can be loaded.
        MissingPackage: it needs a package that is not installed.
    """
    try:
        with quiet():
            from transformers import AutoTokenizer

            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                folder, split_special_tokens=True, trust_remote_code=False, **settings
            )
    except Exception as error:  # missing files, missing converters and broken JSON raise all kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if package := _package_named_by(error):
            raise missing_package(f"model.checkpoint: the tokenizer of '{folder}'", package) from error
        _refuse_config(folder)
        if not any(path.name not in _NO_VOCABULARIES for pattern in TOKENIZER_FILES for path in folder.glob(pattern)):
            raise _without_vocabulary(folder, _VOCABULARIES[:2]) from error
        raise CheckpointError(
            f"model.checkpoint: '{folder}' has no tokenizer that loads ({reason[:200]}); copy its tokenizer files "
            "again, or save them with the tokenizer's save_pretrained"
        ) from error
    # Without a vocabulary transformers makes an empty tokenizer, to which every word is unknown.
    own = set(type(tokenizer).vocab_files_names.values())
    if own and not any((folder / name).is_file() for name in own.union(_VOCABULARIES)):
        raise _without_vocabulary(folder, sorted(own - _SETTINGS))
    if tokenizer.pad_token is None:  # GPT-2 and similar models
        if tokenizer.eos_token is None:
            raise CheckpointError(f"model.checkpoint: the tokenizer of '{folder}' has neither a pad nor an end token")
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _without_vocabulary(folder: Path, names: Sequence[str]) -> CheckpointError:
    return CheckpointError(
        f"model.checkpoint: '{folder}' has no tokenizer (no {', '.join(names)}); copy the tokenizer's files too, which "
        "its save_pretrained writes"
    )


def _refuse_config(folder: Path) -> None:
    """Raises CheckpointError where config.json is why the tokenizer does not load: a wrong value, or no texts."""
    if not (folder / "config.json").is_file():
        return
    where = f"model.checkpoint: '{folder}'"
    try:
        config = saved_config(folder)
    except Exception as error:  # as many kinds as loading the tokenizer has
        raise config_error(where, error) from error
    if not hasattr(config, "vocab_size") and hasattr(config, "image_size"):
        raise CheckpointError(
            f"{where}: a {config.model_type} model (config.json: model_type) reads images and no texts; choose a "
            "checkpoint of texts, or a task of images"
        )


def _package_named_by(error: BaseException) -> str | None:
    """Returns the package that an error of transformers asks for; None where it asks for none."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.partition(".")[0]
    asked = _PACKAGE.search(str(error))
    return asked[1] if asked is not None and isinstance(error, (ImportError, ValueError)) else None


def tokenizer_digest(folder: Path) -> str:
    """Hashes every small file that a tokenizer or its limits may depend on."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in TOKENIZER_FILES for path in folder.glob(pattern) if path.is_file()}):
        if not path.name.endswith(".safetensors.index.json"):
            digest.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def vocabulary_digest(folder: Path | None) -> str:
    """Hashes what decides how a checkpoint's tokenizer cuts texts; "scratch" without a folder."""
    if folder is None:
        return "scratch"
    digest = hashlib.sha256()
    whole = folder / "tokenizer.json"
    if whole.is_file():
        parts = json.loads(whole.read_text(encoding="utf-8"))
        cutting = {name: parts.get(name) for name in ("model", "normalizer", "pre_tokenizer")}
        digest.update(json.dumps(cutting, sort_keys=True).encode())
        return digest.hexdigest()
    for path in sorted({path for pattern in TOKENIZER_FILES for path in folder.glob(pattern) if path.is_file()}):
        if path.suffix != ".json" or path.name == "vocab.json":
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def train_tokenizer(texts: Sequence[str], vocab_size: int, max_length: int, segments: bool, folder: Path) -> None:
    """Trains byte-pair merges within lower-cased words and writes them as a transformers tokenizer.

    The same texts always give the same ids. So the library's WordPiece trainer and prefixes for inner pieces cannot be
    used: they number pieces in the order of a hash table, and no two runs would train the same model.
    """
    with quiet():
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
        from transformers import PreTrainedTokenizerFast

    wrap: Any = PreTrainedTokenizerFast
    specials = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    letters = Counter(letter for text in texts for letter in tokenizer.normalizer.normalize_str(text) if letter != " ")
    alphabet = sorted(letters, key=lambda letter: (-letters[letter], letter))[: max(0, vocab_size - len(specials))]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(specials.values()),
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    wrap(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        model_input_names=["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"],
        **specials,
    ).save_pretrained(folder)


def train_byte_tokenizer(
    texts: Sequence[str], vocab_size: int, folder: Path, *, at_spaces: bool = False, ends: bool = False
) -> None:
    """Trains byte-pair merges of UTF-8 bytes, as GPT-2's, and writes them as a transformers tokenizer.

    Every text can be written and read with them. The same texts always give the same ids.

    Args:
        texts: what is merged.
        vocab_size: the most tokens, bytes included.
        folder: where the tokenizer is written to.
        at_spaces: merge within words that are cut at spaces alone; GPT-2 cuts at digits and signs too.
        ends: end each encoded text with the end token.
    """
    with quiet():
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
        from transformers import PreTrainedTokenizerFast

    wrap: Any = PreTrainedTokenizerFast
    specials = {"pad_token": "<|pad|>", "eos_token": "<|end|>"}
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not at_spaces)
    if at_spaces:
        words = pre_tokenizers.Split(Regex(r"\s?\S+|\s+"), behavior="isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, tokenizer.pre_tokenizer])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(specials.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if ends:
        end = specials["eos_token"]
        special = [(end, tokenizer.token_to_id(end))]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {end}", special_tokens=special)
    wrap(tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **specials).save_pretrained(
        folder
    )
