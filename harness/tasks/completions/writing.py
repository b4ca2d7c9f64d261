"""Lets a language model write answers, greedily and in batches by length, and compute no more than is asked."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.data.batch import evaluation_batches
from harness.errors import CheckpointError
from harness.tasks.progress import tell

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel

__all__ = ["generation_settings", "refuse_lookahead", "spare", "written"]

#: Positions of prompts and answers that are written at once, by kind of device.
MAX_POSITIONS = {"cpu": 8192, "accelerator": 65536}
_MAX_ROWS = 256


def spare(model: PreTrainedModel) -> PreTrainedModel:
    """Lets the model's forward keep no cache unless it is asked to, and compute logits only where they are asked for.

    A model whose forward has no `logits_to_keep` computes all of them. No model is given `labels`, which are for the
    task: it would compute a loss of its own.
    """
    model.register_forward_pre_hook(_spared, with_kwargs=True)
    return model


def _spared(module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    known = inspect.signature(type(module).forward).parameters
    if "use_cache" in known:
        kwargs.setdefault("use_cache", False)
    if "logits_to_keep" not in known:
        kwargs.pop("logits_to_keep", None)
    kwargs.pop("labels", None)
    return args, kwargs


def refuse_lookahead(model: PreTrainedModel, name: str) -> None:
    """Refuses a model in which a token sees those behind it: it would be asked what it is shown.

    Raises:
        CheckpointError: an encoder, such as BERT.
    """
    ids = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]], device=model.device) % int(model.config.vocab_size)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        first, second = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, :3].float()
    model.train(was_training)
    if not torch.allclose(first, second, rtol=1e-3, atol=1e-4):
        raise CheckpointError(
            f"model.checkpoint: '{name}': in a {model.config.model_type} model a token sees those behind it, so it is "
            "no causal language model; choose one (gpt2, llama, qwen2, ...)"
        )


def generation_settings(
    stop_ids: Sequence[int], pad_id: int, max_new_tokens: int, start_id: int | None = None
) -> GenerationConfig:
    """Returns settings for greedy answers that end with one of `stop_ids`; those of a decoder begin with `start_id`."""
    from transformers import GenerationConfig

    return GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=list(stop_ids),
        pad_token_id=pad_id,
        decoder_start_token_id=start_id,
        use_cache=True,
    )


@torch.inference_mode()
def written(
    model: PreTrainedModel, prompts: Sequence[np.ndarray], settings: GenerationConfig, limit: int, device: torch.device
) -> list[list[int]]:
    """Returns the tokens that the model writes for each prompt of token ids, up to the one that ends its answer.

    Prompts are padded on the left, and a prompt and its answer have at most `limit` tokens. What an encoder reads is
    padded on the right, and the answer alone has at most `limit` tokens. Out of memory on an accelerator,
    batches are halved from there on.
    """
    lengths, most = np.array([len(prompt) for prompt in prompts]), int(settings.max_new_tokens)
    positions = MAX_POSITIONS["cpu" if device.type == "cpu" else "accelerator"]
    ahead = evaluation_batches(lengths + most, max_positions=positions, max_rows=_MAX_ROWS)
    answers: list[list[int]] = [[] for _ in prompts]
    tell(0, most * len(prompts))
    with _writing(model, settings):
        while ahead:
            rows, steps = ahead[0], _Steps()
            try:
                found = _batch(model, [prompts[row] for row in rows], settings, limit, device, steps)
            except torch.OutOfMemoryError:
                if len(rows) == 1 or device.type == "cpu":
                    raise
                found = None
            if found is None:  # outside the except block: the traceback, and with it the cache, is gone
                torch.accelerator.empty_cache()
                tell(-steps.told)
                ahead = [half for batch in ahead for half in np.array_split(batch, 2) if len(half)]
                continue
            for row, answer in zip(rows, found, strict=True):
                answers[row] = answer
            tell(most * len(rows) - steps.told)
            ahead.pop(0)
    return answers


class _Steps:
    """Tells of each token that the rows of a batch get; as a stopping criterion it stops none of them."""

    def __init__(self) -> None:
        self.told = 0

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        """Returns False for each row of `input_ids` [rows, tokens]."""
        tell(len(input_ids))
        self.told += len(input_ids)
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


@contextmanager
def _writing(model: PreTrainedModel, settings: GenerationConfig) -> Iterator[None]:
    """Switches dropout off within the block, and the settings of the checkpoint, which may draw or punish tokens."""
    was_training, own = model.training, model.generation_config
    model.eval()
    model.generation_config = settings
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        model.generation_config = own
        model.train(was_training)


def _batch(
    model: PreTrainedModel,
    prompts: Sequence[np.ndarray],
    settings: GenerationConfig,
    limit: int,
    device: torch.device,
    steps: _Steps,
) -> list[list[int]]:
    longest = max(len(prompt) for prompt in prompts)
    has_encoder = bool(model.config.is_encoder_decoder)
    before = 1 if has_encoder else longest  # the tokens before an answer in what is returned
    most = min(int(settings.max_new_tokens), limit - before)
    if most < 1:
        return [[] for _ in prompts]
    ids = np.full((len(prompts), longest), settings.pad_token_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for at, prompt in enumerate(prompts):
        place = slice(0, len(prompt)) if has_encoder else slice(longest - len(prompt), longest)
        ids[at, place], mask[at, place] = prompt, 1
    inputs: Mapping[str, torch.Tensor] = {
        "input_ids": torch.from_numpy(ids).to(device),
        "attention_mask": torch.from_numpy(mask).to(device),
    }
    own = deepcopy(settings)
    own.max_new_tokens = most
    tokens = model.generate(**inputs, generation_config=own, stopping_criteria=[steps])[:, before:].cpu().tolist()
    stops = set(settings.eos_token_id)
    return [_until(answer, stops) for answer in tokens]


def _until(answer: list[int], stops: set[int]) -> list[int]:
    end = next((at for at, token in enumerate(answer) if token in stops), len(answer))
    return answer[:end]
