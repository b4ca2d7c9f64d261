"""Chooses the precision that `precision: auto` means: the one whose matrix products are measured to be fastest here.

No processor's flag and no vendor's name decides: the same instruction set multiplies in bf16 3.5 times as fast as in
fp32 on one processor, and half as fast on another.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from harness.data.prepared import PreparedData
from harness.records.precision import PrecisionChoice, device_kind
from harness.spec.trial import TrialConfig
from harness.tasks import task_of
from harness.tasks.encode import encoded
from harness.training import device as devices
from harness.training.evaluate import evaluating, to_device
from harness.training.host import Host
from harness.training.model import template_of
from harness.training.weights import DTYPES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["CANDIDATES", "Product", "choose", "chosen_precision", "faster", "measure_products", "products_of"]

#: Precisions that train as well as fp32 on a kind of device (fp32 weights under bf16 products; fp16 with loss scaling),
#: the preferred one of equals first. On other kinds only fp32 is known to train well.
CANDIDATES = {"cpu": ("fp32", "bf16"), "cuda": ("fp32", "bf16", "fp16"), "xpu": ("fp32", "bf16")}
#: Another precision must be faster by this factor: steps are not products alone.
GAIN = 1.1
SECONDS = 0.2
LEAST_ROUNDS = 3
MOST_PRODUCTS = 3
#: A product is cut to so many FLOPs, forward and backward; larger ones run no faster.
MOST_FLOPS = {"cpu": 1e9, "accelerator": 2e11}
#: A precision that is slower by this factor already with few rows is not measured further: on a processor without
#: instructions for bf16 one product of a batch takes half a second.
FEW_ROWS, HOPELESS = 64, 3.0
#: Rounds of that first measurement. The fastest counts, so that other load on the machine rules no precision out.
FIRST_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Product:
    """A layer's product: `call(input, weight)`, done `times` in a forward pass. `flops` are those of one call."""

    call: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    input_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    flops: float
    times: int = 1

    @property
    def label(self) -> str:
        """The shapes: "96x384 by 1536x384"."""
        return " by ".join("x".join(map(str, shape)) for shape in (self.input_shape, self.weight_shape))

    def cut(self, most_rows: int) -> Product:
        """Returns the same product with at most `most_rows` rows (or images)."""
        rows = min(self.input_shape[0], max(1, most_rows))
        share = rows / self.input_shape[0]
        return replace(self, input_shape=(rows, *self.input_shape[1:]), flops=self.flops * share)


def chosen_precision(config: TrialConfig, data: PreparedData, host: Host) -> PrecisionChoice:
    """Returns what `auto` means in this process: as the coordinator set it, or measured at the first call."""
    if host.precision is None:
        host.precision = choose(config, data, host)
    return host.precision


def choose(config: TrialConfig, data: PreparedData, host: Host) -> PrecisionChoice:
    """Measures the products of `config`'s model on one of its batches and chooses the fastest precision.

    Raises:
        CheckpointError, DataError: the model or its data cannot be used.
    """
    device = devices.bind(host.place)
    kind, name, threads = device_kind(host.place)
    precisions = CANDIDATES.get(kind, ("fp32",))
    model, inputs = _batch(config, data, host, device)
    start = time.perf_counter()
    products: Sequence[Product] = ()
    if len(precisions) > 1:
        most = MOST_FLOPS["cpu" if kind == "cpu" else "accelerator"]
        products = [_limited(product, most) for product in products_of(model, inputs, device)]
    gflops = measure_products(products, device, precisions) if products else {}
    return PrecisionChoice(
        device=kind,
        device_name=name,
        threads=threads,
        precision=faster(gflops, precisions),
        gflops=gflops,
        products=tuple(product.label for product in products),
        seconds=time.perf_counter() - start,
    )


def faster(gflops: Mapping[str, float], precisions: Sequence[str]) -> str:
    """Returns the first precision, unless a later one is faster by `GAIN` than the best before it."""
    best = precisions[0]
    for name in precisions[1:]:
        if gflops.get(name, 0.0) >= GAIN * gflops.get(best, math.inf):
            best = name
    return best


def _limited(product: Product, most_flops: float) -> Product:
    return product.cut(int(product.input_shape[0] * most_flops / (3 * product.flops)))


def _batch(
    config: TrialConfig, data: PreparedData, host: Host, device: torch.device
) -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
    """Returns the model, which the first trial needs anyway, and a micro-batch of rows of middling length."""
    task, examples = task_of(config.task), encoded(data, config, "train")
    count = math.ceil(config.training.batch_size / config.training.accumulation_steps)
    by_length = np.argsort(np.asarray(examples.lengths), kind="stable")
    first = max(0, (len(by_length) - count) // 2)
    rows = np.sort(by_length[first : first + count])
    model = template_of(config, data, host, device)
    return model, to_device(task.collate(examples, rows), model, device)


def products_of(model: PreTrainedModel, inputs: Mapping[str, torch.Tensor], device: torch.device) -> list[Product]:
    """Returns the at most three products of linear layers and convolutions that do most work in a forward pass."""
    seen: dict[tuple[Any, ...], Product] = {}
    with devices.kept_random(device), evaluating(model), _recorded(model, seen), torch.no_grad():
        model(**inputs)
    return sorted(seen.values(), key=lambda product: -product.flops * product.times)[:MOST_PRODUCTS]


@contextmanager
def _recorded(model: PreTrainedModel, seen: dict[tuple[Any, ...], Product]) -> Iterator[None]:
    """Counts every product of a forward pass within the block in `seen`."""

    def record(module: torch.nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        product = _product(module, arguments[0], output)
        key = (type(module).__name__, product.input_shape, product.weight_shape)
        times = seen[key].times + 1 if key in seen else 1
        seen[key] = replace(product, times=times)

    hooks = [module.register_forward_hook(record) for module in model.modules() if _multiplies(module)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


CONVOLUTIONS: dict[type[torch.nn.Module], Callable[..., torch.Tensor]] = {
    torch.nn.Conv1d: functional.conv1d,
    torch.nn.Conv2d: functional.conv2d,
    torch.nn.Conv3d: functional.conv3d,
}


def _multiplies(module: torch.nn.Module) -> bool:
    # GPT-2's linear layer is a class of its own, whose weight is transposed.
    return isinstance(module, (torch.nn.Linear, *CONVOLUTIONS)) or type(module).__name__ == "Conv1D"


def _product(module: Any, inputs: torch.Tensor, output: torch.Tensor) -> Product:
    weight = tuple(module.weight.shape)
    convolution = next((call for kind, call in CONVOLUTIONS.items() if isinstance(module, kind)), None)
    if convolution is not None:
        options = {name: getattr(module, name) for name in ("stride", "padding", "dilation", "groups")}
        flops = 2.0 * output.numel() * math.prod(weight[1:])
        return Product(partial(convolution, **options), tuple(inputs.shape), weight, flops)
    weight = weight if isinstance(module, torch.nn.Linear) else weight[::-1]
    rows = inputs.numel() // weight[1]
    return Product(functional.linear, (rows, weight[1]), weight, 2.0 * rows * math.prod(weight))


def measure_products(products: Sequence[Product], device: torch.device, precisions: Sequence[str]) -> dict[str, float]:
    """Returns the GFLOP/s of each precision, of the fastest of several runs.

    The runs are interleaved, so that other load slows all precisions alike. A precision that the device cannot compute
    is left out.
    """
    smallest = min(products, key=lambda product: product.flops).cut(FEW_ROWS)
    gflops = _speeds([smallest], device, precisions, seconds=0.0, rounds=FIRST_ROUNDS)
    reference = gflops.get(precisions[0], 0.0)
    promising = [name for name in gflops if gflops[name] * HOPELESS >= reference]
    return gflops | _speeds(products, device, promising, seconds=SECONDS, rounds=LEAST_ROUNDS)


def _speeds(
    products: Sequence[Product], device: torch.device, precisions: Sequence[str], *, seconds: float, rounds: int
) -> dict[str, float]:
    """Returns GFLOP/s of forward and backward passes, weighted as in a step; `_steps` has made the kernels before."""
    steps_by_name = {name: steps for name in precisions if (steps := _steps(products, device, DTYPES[name]))}
    best = {name: [math.inf] * len(products) for name in steps_by_name}
    until = time.perf_counter() + seconds
    num_rounds = 0
    while num_rounds < rounds or time.perf_counter() < until:
        for name, steps in steps_by_name.items():
            best[name] = [min(fastest, _seconds(step, device)) for fastest, step in zip(best[name], steps, strict=True)]
        num_rounds += 1
    work = sum(3 * product.flops * product.times for product in products)
    times = [product.times for product in products]
    return {name: work / sum(t * n for t, n in zip(best[name], times, strict=True)) / 1e9 for name in steps_by_name}


def _steps(products: Sequence[Product], device: torch.device, dtype: torch.dtype) -> list[Callable[[], object]]:
    """Returns forward and backward passes of each product, run once; empty where the device cannot compute them."""
    steps = [_step(product, device, dtype) for product in products]
    try:
        for step in steps:
            step()
    except RuntimeError:
        return []
    return steps


def _step(product: Product, device: torch.device, dtype: torch.dtype) -> Callable[[], object]:
    shapes = (product.input_shape, product.weight_shape)
    inputs, weight = (torch.full(shape, 0.01, dtype=dtype, device=device, requires_grad=True) for shape in shapes)

    def step() -> object:
        output = product.call(inputs, weight)
        return torch.autograd.grad(output, (inputs, weight), output.detach())

    return step


def _seconds(step: Callable[[], object], device: torch.device) -> float:
    devices.synchronize(device)
    start = time.perf_counter()
    step()
    devices.synchronize(device)
    return time.perf_counter() - start
