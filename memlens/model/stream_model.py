"""How a model of streams is called: in TransformerLens's manner, on tokens, text, segments or whole streams, by one ``forward``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from memlens.dims import PAYLOAD_WIDTH, Modality
from memlens.errors import ModelError
from memlens.model.answers import Questions
from memlens.model.hooked_module import TimedModule
from memlens.model.run import Change, Encoded, Result, encode_questions, run, segment_of
from memlens.model.segment import Segment

#: A segment and what is asked at its end.
Piece = tuple[Segment, Questions | None]


def text_segment(token: Tensor) -> Segment:
    """Tokens (B, S) as a segment of text without padding."""
    return Segment(
        modality=torch.full_like(token, int(Modality.TEXT)),
        token=token,
        payload=torch.zeros(*token.shape, PAYLOAD_WIDTH, device=token.device),
        valid=torch.ones_like(token, dtype=torch.bool),
    )


def to_tokens(tokenizer: Any, text: str | Sequence[str], device: torch.device) -> Tensor:
    """Token ids int64 (B, N) of texts that have as many tokens each.

    Raises
    ------
    ModelError
        When they do not: there is no padding inside a stream.
    """
    rows = [tokenizer.encode(row).ids for row in ([text] if isinstance(text, str) else text)]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1 or not lengths[0]:
        raise ModelError(
            f"texts have {lengths} tokens; expected as many in each, at least one: cut them or run them apart"
        )
    return torch.tensor(rows, device=device)


def pieces(model: Any, given: Any, questions: Questions | None) -> list[Piece]:
    """What is read, segment by segment; ``questions`` are asked at the end of the last one.

    Raises
    ------
    ModelError
        When ``given`` is nothing that can be read.
    """
    if isinstance(given, str) or (isinstance(given, list | tuple) and given and isinstance(given[0], str)):
        given = to_tokens(model.tokenizer, given, model.device)
    found: list[Piece]
    if isinstance(given, Segment):
        found = [(given, None)]
    elif isinstance(given, Tensor) and given.dim() in (1, 2) and given.numel() and not given.is_floating_point():
        token = (given if given.dim() == 2 else given[None]).long().to(model.device)
        found = [(text_segment(part), None) for part in token.split(model.cfg.segment_length, dim=1)]
    elif isinstance(given, Encoded):
        found = _read(model, [given])
    elif isinstance(given, list | tuple) and given and all(isinstance(each, Segment) for each in given):
        found = [(each, None) for each in given]
    elif isinstance(given, list | tuple) and given and all(isinstance(each, Encoded) for each in given):
        found = _read(model, given)
    else:
        shape = f" {tuple(given.shape)} of {given.dtype}" if isinstance(given, Tensor) else ""
        raise ModelError(
            f"got a {type(given).__name__}{shape} to read; expected token ids (sequence, position), text, a Segment, an encoded stream, "
            "or a list of segments or streams"
        )
    if questions is not None:
        found[-1] = (found[-1][0], questions)
    return found


def _read(model: Any, streams: Sequence[Any]) -> list[Piece]:
    length = model.cfg.segment_length
    found: list[Piece] = []
    for t in range(max(stream.n_segment(length) for stream in streams)):
        rows, asked = map(list, zip(*(segment_of(stream, t, length) for stream in streams), strict=True))
        found.append((Segment.stack(rows, model.device), encode_questions(model, asked)))
    return found


def is_text(given: Any) -> bool:
    """Token ids, or text."""
    return isinstance(given, Tensor | str) or (
        isinstance(given, list | tuple) and bool(given) and isinstance(given[0], str)
    )


class StreamModel(TimedModule):
    """A model of streams: whatever it is given, it reads by ``step``, segment by segment, from ``initial_state``."""

    #: Name of the point that the logits of the next text token pass through.
    LOGITS: str
    encoders: Any

    def __init__(self, cfg: Any, tokenizer: Tokenizer | None, name: str):
        super().__init__()
        self.cfg: Any = cfg
        self.tokenizer: Any = tokenizer
        self.name: Any = name
        self.sha256 = ""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.encoders.text.weight.device

    def initial_state(self, n_sequence: int = 1) -> Any:
        """The state before the first segment."""
        raise NotImplementedError

    def step(
        self, segment: Segment, state: Any, questions: Questions | None = None, *, predict: bool = True
    ) -> tuple[Any, Any]:
        """One segment: what comes out, and the state after it. ``questions`` are asked at its end."""
        raise NotImplementedError

    def forward(
        self,
        given: Any,
        state: Any = None,
        questions: Questions | None = None,
        *,
        return_type: Literal["outputs", "logits", "loss"] | None = None,
    ) -> Any:
        """Read something: what ``run_with_hooks`` and ``run_with_cache`` call.

        All outputs are held; ``run`` reads streams of any length in constant memory.

        Parameters
        ----------
        given
            Token ids int64 (sequence, position) or text, cut into segments; a Segment; an encoded stream with its questions; a list of
            segments, or of streams side by side.
        state
            From the initial state unless one is given.
        questions
            Asked at the end of the last segment.
        return_type
            "outputs": of a Segment what ``step`` yields, outputs and state; of anything else the same with a list of outputs. "logits": of
            the next text token, (sequence, position, vocab). "loss": mean nats of the text tokens, plus that of the answers where
            something was asked; scalar. "logits" for tokens and text, "outputs" for the others, unless given.

        Raises
        ------
        ModelError
            When ``given`` or ``return_type`` is none of these.
        """
        read = pieces(self, given, questions)
        wanted = return_type or ("logits" if is_text(given) else "outputs")
        if wanted not in ("outputs", "logits", "loss"):
            raise ModelError(f"return_type is {wanted!r}, expected 'outputs', 'logits' or 'loss'")
        state = self.initial_state(read[0][0].token.shape[0]) if state is None else state
        outputs: list[Any] = []
        logits: list[Tensor] = []
        self.clock.alone = len(read) == 1 and (isinstance(given, Segment) or is_text(given))
        try:
            with passing(self.hook_dict[self.LOGITS], logits) if wanted == "logits" else nullcontext():
                for segment, asked in read:
                    one, state = self.step(segment, state, asked)
                    outputs.append(one)
        finally:
            self.clock.alone = False
        if wanted == "logits":
            return torch.cat(logits, 1)
        if wanted == "loss":
            return mean_loss(outputs, [asked for _, asked in read])
        return (outputs[0] if isinstance(given, Segment) else outputs), state

    def to_tokens(self, text: str | Sequence[str]) -> Tensor:
        """Token ids int64 (sequence, position) of texts that have as many tokens each. ModelError when they do not."""
        return to_tokens(self.tokenizer, text, self.device)

    def run(
        self,
        streams: Encoded | Sequence[Encoded],
        *,
        state: Any = None,
        first: int = 0,
        predict: bool = True,
        changes: Sequence[Change] = (),
    ) -> Iterator[Result[Any]]:
        """Read encoded streams side by side, one segment a ``Result``, in constant memory; see ``memlens.model.run.run``."""
        read = streams if isinstance(streams, list | tuple) else [cast(Encoded, streams)]
        return run(self, read, state=state, first=first, predict=predict, changes=changes)


@contextmanager
def passing(point: nn.Module, kept: list[Tensor]) -> Iterator[None]:
    """Append to ``kept`` what leaves a point, after all hooks that were there before."""
    handle = point.register_forward_hook(lambda module, args, out: kept.append(cast(Tensor, out)))
    try:
        yield
    finally:
        handle.remove()


def mean_loss(outputs: Sequence[Any], questions: Sequence[Questions | None]) -> Tensor:
    """Mean nats of all text tokens, plus the mean loss of the answers where something was asked. Scalar."""
    nats = torch.cat([one.nats[one.text] for one in outputs])
    told = [
        one.answers.loss[asked.valid]
        for one, asked in zip(outputs, questions, strict=True)
        if one.answers is not None and asked is not None
    ]
    loss = nats.mean() if len(nats) else nats.sum()
    return loss + torch.cat(told).mean() if told else loss
