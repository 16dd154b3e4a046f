"""Times of models that take turns in one process, and the memory of each in a process of its own."""

import ctypes
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from mmhvt.analysis.complexity import count_multiply_adds

from .cases import CASES, Mode
from .peers import PEERS
from .processes import call_in_process

# rows, inputs and outputs of the linear layer whose speed is the limit: one of MViT-B's on a CPU, a large one on a GPU
PRODUCTS = {'cpu': (1568, 768, 3072), 'cuda': (8192, 8192, 8192)}
PRODUCTS_PER_ROUND = 4
# a backward pass has twice the multiply-adds of a forward pass
FORWARDS = {'inference': 1, 'training': 3}


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        device: 'cpu' or 'cuda'.
        amp: 'bf16' for autocast, None for fp32.
        compile: Whether to compile every model.
        rounds: Timed rounds, after one that warms up.
        peers: Whether to measure other implementations.
        memory: Whether to measure memory.
    """

    device: str = 'cpu'
    amp: str | None = None
    compile: bool = False
    rounds: int = 5
    peers: bool = False
    memory: bool = True

    def autocast(self) -> torch.autocast:
        """Context of the forward pass."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.amp is not None)

    def seconds(self, call: Callable[[], object]) -> float:
        """Time of a call."""
        if self.device == 'cuda':
            torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        if self.device == 'cuda':
            torch.cuda.synchronize()
        return time.perf_counter() - start


def infer(model: nn.Module, x: Tensor, settings: Settings) -> None:
    """A forward pass."""
    with torch.inference_mode(), settings.autocast():
        model(x)


def step(model: nn.Module, x: Tensor, settings: Settings) -> None:
    """Forward and backward pass of the mean of all outputs, without an optimizer."""
    with settings.autocast():
        outputs = [out for out in tree_leaves(model(x)) if isinstance(out, Tensor) and out.requires_grad]
    torch.stack([out.float().mean() for out in outputs]).sum().backward()
    model.zero_grad(set_to_none=True)


RUN = {'inference': infer, 'training': step}


def product_rate(settings: Settings) -> float:
    """Rate at which the device multiplies matrices, in GFLOP/s (two per multiply-add)."""
    rows, inputs, outputs = PRODUCTS[settings.device]
    dtype = torch.bfloat16 if settings.amp else torch.float32
    x, weight = (torch.randn(n, inputs, device=settings.device, dtype=dtype) for n in (rows, outputs))

    @torch.inference_mode()
    def multiply(times: int) -> None:
        for _ in range(times):
            F.linear(x, weight)

    multiply(1)
    seconds = settings.seconds(partial(multiply, PRODUCTS_PER_ROUND))
    return 2 * rows * inputs * outputs * PRODUCTS_PER_ROUND / seconds / 1e9


@dataclass
class Times:
    """Seconds of each model in each round, and GFLOP/s of matrix products in each."""

    seconds: dict[str, list[float]]
    rates: list[float]


def take_turns(models: dict[str, nn.Module], x: Tensor, mode: Mode, settings: Settings) -> Times:
    """Time models that take turns, so that all run under the same load; a first round warms up."""
    times = Times({name: [] for name in models}, [])
    run = RUN[mode]
    for model in models.values():
        model.train(mode == 'training')
    for turn in range(settings.rounds + 1):
        rate = product_rate(settings)
        took = {name: settings.seconds(partial(run, model, x, settings)) for name, model in models.items()}
        if turn:
            times.rates.append(rate)
            for name, seconds in took.items():
                times.seconds[name].append(seconds)
    return times


def giga_multiply_adds(models: dict[str, nn.Module], x: Tensor) -> dict[str, float]:
    """Billions of multiply-adds of a forward pass of `x`; peers have those of the first model, which they implement."""
    own = {
        name: sum(count_multiply_adds(model, x.shape[1:]).values()) * x.shape[0] / 1e9
        for name, model in models.items()
        if name not in PEERS
    }
    return {name: own.get(name, next(iter(own.values()))) for name in models}


@contextmanager
def peak_memory(device: str) -> Iterator[Callable[[], int]]:
    """Peak bytes within the context, beyond those before it: of the process, or of PyTorch on a GPU."""
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield lambda: torch.cuda.max_memory_allocated() - before
    else:
        ctypes.CDLL('libc.so.6').malloc_trim(0)  # reuse of freed memory would leave no trace
        # getrusage's peak would begin with that of the parent process
        Path('/proc/self/clear_refs').write_text('5')
        before = resident('VmRSS')
        yield lambda: resident('VmHWM') - before


def resident(field: str) -> int:
    """'VmRSS', the bytes in memory of this process, or 'VmHWM', their peak."""
    found = re.search(rf'{field}:\s*(\d+) kB', Path('/proc/self/status').read_text())
    assert found, f'/proc/self/status has no {field}'
    return int(found[1]) * 1024


def peak_of_step(case: str, name: str, device: str, amp: str, compiled: str) -> int:
    """Peak bytes that a training step in this process needs beyond the model and its input.

    Args:
        case: Key of :data:`CASES`.
        name: Model of the case.
        device: 'cpu' or 'cuda'.
        amp: 'bf16', or '' for fp32.
        compiled: 'compiled', or ''.
    """
    settings = Settings(device, amp or None, bool(compiled))
    model, x = build(case, name, settings), random_input(case, settings)
    model.train()  # some return nothing in evaluation mode
    if compiled:
        model.compile()
        step(model, x, settings)  # the compiler needs memory, too
    product_rate(settings)  # loads libraries
    with peak_memory(device) as peak:
        step(model, x, settings)
        return peak()


def measure_memory(case: str, names: Iterable[str], settings: Settings) -> dict[str, int]:
    """Peak bytes that a training step of each model needs, each in a process of its own.

    Raises:
        RuntimeError: If a process fails; the message names the model.
    """
    peaks = {}
    for name in names:
        try:
            peaks[name] = call_in_process(
                peak_of_step, case, name, settings.device, settings.amp or '', 'compiled' if settings.compile else ''
            )
        except RuntimeError as error:
            raise RuntimeError(f'{case}: {name}: {error}') from None
    return peaks


def random_input(case: str, settings: Settings) -> Tensor:
    """The input of a case."""
    return torch.randn(CASES[case].shape, device=settings.device)


def build(case: str, name: str, settings: Settings) -> nn.Module:
    """A model of a case on its device."""
    torch.manual_seed(0)
    with redirect_stdout(sys.stderr):  # some packages print
        return CASES[case].models[name]().to(settings.device)
