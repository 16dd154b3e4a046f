"""Where the time of a training step on a CPU goes, by kind of operation."""

from collections.abc import Iterator

from torch.profiler import ProfilerActivity, profile

from .cases import CASES
from .measure import Settings, build, random_input, step
from .peers import PEERS

# kinds by parts of operation names; the first match counts
KINDS = {
    'fused attention': ('scaled_dot_product', 'flash_attention', 'efficient_attention'),
    'batched products, softmax': ('bmm', 'softmax'),
    'linear layers': ('mm', 'linear', 'matmul'),
    'convolutions': ('conv',),
    'norms': ('norm',),
    'copies': ('copy', 'cat', 'index', 'gather', 'scatter', 'pad', 'slice', 'roll', 'fill', 'zero', 'nonzero', 'clone'),
}
OTHERS = 'others'


def kind_of(operation: str) -> str:
    """The kind of an operation such as 'aten::addmm'."""
    name = operation.removeprefix('aten::')
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), OTHERS)


def profile_case(case: str, settings: Settings) -> Iterator[tuple[str, dict[str, float]]]:
    """Each model of a case, and the milliseconds of each kind of operation in one of its training steps."""
    x = random_input(case, settings)
    for name in CASES[case].models:
        if name in PEERS and not (settings.peers and PEERS[name].installed):
            continue
        model = build(case, name, settings)
        model.train()  # some return nothing in evaluation mode
        step(model, x, settings)  # warms up
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(settings.rounds):
                step(model, x, settings)
        found = dict.fromkeys([*KINDS, OTHERS], 0.0)
        for event in profiler.key_averages():
            found[kind_of(event.key)] += event.self_cpu_time_total / 1e3 / settings.rounds
        yield name, found
