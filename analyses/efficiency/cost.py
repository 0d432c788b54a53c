"""What it costs to read a context and to answer questions about it: two readers, and how their costs are counted.

Both readers are fed segment by segment and asked for the teacher-forced logits of an answer. They have random weights and read random text:
cost does not depend on either, but for which levels of the store are read.

Counting rules
--------------
FLOPs
    Multiplications and additions of matrix products, convolutions and attention, as torch's FlopCounterMode counts them on what is run,
    masked pairs included. Attention on CPU is counted by a formula given here: FlopCounterMode has none and would take it for free.
    Softmax, norms, sorting and other elementwise work count nothing.
seconds, cpu
    Wall time and processor time on one thread, the two readers in turns. Other work on the machine stretches the first more than the
    second.
bytes
    Of what questions read. Attention: keys and values of every position and layer. Memory: M_ctx, M_t and L_t of the step, with
    log-priors, ages, levels, ids and places. ``peak``: the most bytes of tensors alive at once.

Interactions, and formulas of the same FLOPs, are in `memlens.analysis.support.costs`.
"""

import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from memlens.config import BaselineConfig, ModelConfig
from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.model import MemoryModel, Questions, Segment
from memlens.model.baseline import StreamReader
from memlens.model.state import Memory
from memlens.model.tensors import Tensors

#: Ids below are <pad>, <bos>, <eos>.
FIRST_TOKEN = 3
#: Store, else compress, never discard: the levels of the store fill, as those of a trained model do.
KEEPING = (1.0, 0.9, 0.0, -3.0)


class AttentionReader:
    """Plain attention: a window that holds the whole context, the question and the answer."""

    def __init__(self, cfg: BaselineConfig, length: int, longest_question: int):
        window = length + longest_question + cfg.max_answer + 1
        self.model = StreamReader(cfg.model_copy(update={"window": window})).eval()
        self.state = self.model.initial_state(1)
        self.length = length

    def feed(self, segment: Segment) -> None:
        """One segment more."""
        _, self.state = self.model.step(segment, self.state, predict=False)

    def settle(self) -> None:
        """Nothing is left to do."""

    def ask(self, questions: Questions) -> Tensor:
        """Logits of the answers."""
        return self.model.answer_logits(questions, self.state)

    def held(self) -> dict[str, int]:
        """Bytes that questions read, ``whole``; of them those of the last segment, ``segment``."""
        places = self.model.cfg.window - 1
        each = sum(size_of(pair) for pair in self.state.blocks) // places
        return {"whole": each * self.length, "segment": each * self.model.cfg.segment_length}


class MemoryReader:
    """The memory model, its store filled by what it reads."""

    def __init__(self, cfg: ModelConfig):
        self.model = MemoryModel(cfg).eval()
        with torch.no_grad():
            self.model.controller.q_network.advantage.bias.copy_(torch.tensor(KEEPING))
        self.state = self.before = self.model.initial_state(1)
        self.last: Segment | None = None
        self.memory: Memory | None = None

    def feed(self, segment: Segment) -> None:
        """One segment more."""
        self.before, self.last = self.state, segment
        _, self.state = self.model.step(segment, self.state, predict=False)

    def settle(self) -> None:
        """Keep what the last step offered to questions: a part of that step, so neither timed nor counted again."""
        if self.last is None:
            raise RuntimeError("feed a segment before questions are asked")
        _, context, _ = self.model.perceive(self.last, self.before)
        self.memory = self.model.memory(self.model.candidates(context, self.before), self.before)

    def ask(self, questions: Questions) -> Tensor:
        """Logits of the answers."""
        if self.memory is None:
            raise RuntimeError("call settle() before questions are asked")
        read, m_q, there = self.model.read(questions, self.memory)
        return self.model.decode(questions.answer, read, m_q, there)

    def held(self) -> dict[str, int]:
        """Bytes that questions read, ``whole``; of them the vectors of M_ctx, ``segment``; and all that is carried, ``carried``."""
        assert self.memory is not None
        slots = self.memory.content[:, : self.model.cfg.n_slots]
        return {"whole": size_of(self.memory), "segment": size_of(slots), "carried": size_of(self.state)}


def size_of(value: Any) -> int:
    """Bytes of tensors, also in bundles and tuples."""
    tensors = value.flat().values() if isinstance(value, Tensors) else tree_leaves(value)
    return sum(x.numel() * x.element_size() for x in tensors)


# what is read and asked


def random_segment(cfg: ModelConfig) -> Segment:
    """Text of random tokens."""
    length = cfg.segment_length
    return Segment(
        modality=torch.full((1, length), int(Modality.TEXT)),
        token=torch.randint(FIRST_TOKEN, cfg.vocab_size, (1, length)),
        payload=torch.zeros(1, length, PAYLOAD_WIDTH),
        valid=torch.ones(1, length, dtype=torch.bool),
    )


def random_questions(n: int, n_token: int, n_answer: int, vocab_size: int) -> Questions:
    """n questions of n_token random tokens, answers of n_answer."""

    def draw(length: int) -> Tensor:
        return torch.randint(FIRST_TOKEN, vocab_size, (1, n, length))

    return Questions(draw(n_token), draw(n_answer), torch.ones(1, n, dtype=torch.bool))


# how a call's cost is counted


def seconds(call: Callable[[], Any]) -> dict[str, float]:
    """Wall time and processor time of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    with torch.no_grad():
        call()
    return {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Of scaled dot-product attention from shapes (..., query, d), (..., key, d), (..., key, e): 2 query key (d + e)."""
    *batch, n_query, width = query
    n_key, out = value[-2:]
    rows = int(torch.Size(batch).numel())
    assert key[-2] == n_key
    return 2 * rows * n_query * n_key * (width + out)


def flops(call: Callable[[], Any]) -> dict[str, int]:
    """FLOPs of a call by operator (see the module)."""
    cpu_attention = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=cpu_attention) as counter:
        call()
    return {str(operator): int(n) for operator, n in counter.get_flop_counts().get("Global", {}).items()}


class _Peak(TorchDispatchMode):
    """Bytes of storages made while it is on, as they come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.most = 0
        self.seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def _gone(self, size: int) -> None:
        self.alive -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {x.untyped_storage()._cdata for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        for tensor in tree_leaves(out):
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            # a view holds what it is a view of
            if storage._cdata in given or storage in self.seen:
                continue
            self.seen.add(storage)
            self.alive += storage.nbytes()
            weakref.finalize(storage, self._gone, storage.nbytes())
        self.most = max(self.most, self.alive)
        return out


def peak_bytes(call: Callable[[], Any]) -> int:
    """The most bytes of tensors made by a call that are alive at once, what it returns included; scratch inside operators is not seen."""
    with torch.no_grad(), _Peak() as watch:
        call()
    return watch.most
