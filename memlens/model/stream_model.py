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
from memlens.model.hooked_module import HookedModule
from memlens.model.run import Change, Encoded, Result, encode_questions, run, segment_of
from memlens.model.segment import Segment
from memlens.user_input import check_unicode

#: A segment and what is asked at its end.
SegmentInput = tuple[Segment, Questions | None]


def _text_segment(token: Tensor) -> Segment:
    """Tokens, int [sequence, token], as a segment of text without padding."""
    return Segment(
        modality=torch.full_like(token, int(Modality.TEXT)),
        token=token,
        payload=torch.zeros(*token.shape, PAYLOAD_WIDTH, device=token.device),
        valid=torch.ones_like(token, dtype=torch.bool),
    )


def _to_tokens(tokenizer: Any, text: str | Sequence[str], device: torch.device) -> Tensor:
    """Token ids, int [sequence, token], of texts that have the same number of tokens.

    Raises
    ------
    ModelError
        When they do not: there is no padding inside a stream; or when a text holds a lone surrogate.
    """
    texts = [text] if isinstance(text, str) else text
    try:
        for row in texts:
            check_unicode(row, "text")
    except ValueError as error:
        raise ModelError(str(error)) from None
    rows = [tokenizer.encode(row).ids for row in texts]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1 or not lengths[0]:
        raise ModelError(
            f"texts have {lengths} tokens; expected the same number in each, at least one: cut them, or run them one by one"
        )
    return torch.tensor(rows, device=device)


def _segment_inputs(model: Any, given: Any, questions: Questions | None) -> list[SegmentInput]:
    """What is read, segment by segment; ``questions`` are asked at the end of the last one.

    Raises
    ------
    ModelError
        When ``given`` is nothing that can be read.
    """
    if isinstance(given, str) or (isinstance(given, list | tuple) and given and isinstance(given[0], str)):
        given = _to_tokens(model.tokenizer, given, model.device)
    found: list[SegmentInput]
    if isinstance(given, Segment):
        found = [(given, None)]
    elif isinstance(given, Tensor) and given.dim() in (1, 2) and given.numel() and not given.is_floating_point():
        token = (given if given.dim() == 2 else given[None]).long().to(model.device)
        found = [(_text_segment(part), None) for part in token.split(model.cfg.segment_length, dim=1)]
    elif isinstance(given, Encoded):
        found = _stream_inputs(model, [given])
    elif isinstance(given, list | tuple) and given and all(isinstance(each, Segment) for each in given):
        found = [(each, None) for each in given]
    elif isinstance(given, list | tuple) and given and all(isinstance(each, Encoded) for each in given):
        found = _stream_inputs(model, given)
    else:
        shape = f" {tuple(given.shape)} of {given.dtype}" if isinstance(given, Tensor) else ""
        raise ModelError(
            f"got a {type(given).__name__}{shape} to read; expected token ids [sequence, token], text, a Segment, an encoded stream, "
            "or a list of segments or streams"
        )
    if questions is not None:
        found[-1] = (found[-1][0], questions)
    return found


def _stream_inputs(model: Any, streams: Sequence[Any]) -> list[SegmentInput]:
    length = model.cfg.segment_length
    found: list[SegmentInput] = []
    for t in range(max(stream.n_segment(length) for stream in streams)):
        rows, asked = map(list, zip(*(segment_of(stream, t, length) for stream in streams), strict=True))
        found.append((Segment.stack(rows, model.device), encode_questions(model, asked)))
    return found


def _is_text(given: Any) -> bool:
    """Token ids, or text."""
    return isinstance(given, Tensor | str) or (
        isinstance(given, list | tuple) and bool(given) and isinstance(given[0], str)
    )


class StreamModel(HookedModule):
    """A model of streams: whatever it is given, it reads by ``step``, segment by segment, from ``initial_state``."""

    #: Name of the point that the logits of the next text token pass through.
    LOGITS: str
    encoders: Any

    def __init__(self, cfg: Any, tokenizer: Tokenizer | None, name: str):
        super().__init__()
        self.cfg: Any = cfg
        self.tokenizer: Any = tokenizer
        self.name: Any = name
        #: of the weights that were loaded; empty when they came from no folder
        self.sha256 = ""

    def sizes(self) -> dict[str, Any]:
        """What ``repr`` says of the model beside its parameters, by name."""
        raise NotImplementedError

    def __repr__(self) -> str:
        said = {
            "parameters": f"{sum(p.numel() for p in self.parameters()):,}",
            "weights": f"sha256 {self.sha256[:12]}" if self.sha256 else "not from a folder",
            "device": self.device,
            **self.sizes(),
        }
        width = max(map(len, said))
        return "\n  ".join(
            [f"{type(self).__name__} '{self.name}'", *(f"{key:<{width}}  {value}" for key, value in said.items())]
        )

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
        """Read one segment.

        Parameters
        ----------
        segment : Segment
            What is read.
        state : Any
            Before it.
        questions : Questions, optional
            Asked at its end.
        predict : bool
            Whether the loss of the next tokens is computed.

        Returns
        -------
        tuple of outputs and state
            What came out, and the state after the segment.

        Raises
        ------
        NotImplementedError
            When a model does not say how it reads.
        """
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

        All outputs are held in memory; ``run`` reads streams of any length in constant memory.

        Parameters
        ----------
        given : Any
            Token ids, int [sequence, token] or [token], or text, cut into segments; a Segment; an encoded stream with its questions; a list
            of segments, or of streams side by side.
        state : Any, optional
            To continue from; the initial state unless given.
        questions : Questions, optional
            Asked at the end of the last segment.
        return_type : "outputs", "logits" or "loss", optional
            "outputs": of a Segment what ``step`` returns, outputs and state; of anything else the same with a list of outputs. "logits": of
            the next text token, float [sequence, token, vocab]. "loss": mean nats of the text tokens, plus that of the answers where
            something was asked, float []. Unless given, "logits" for tokens and text, "outputs" for the others.

        Returns
        -------
        Any
            As ``return_type`` says.

        Raises
        ------
        ModelError
            When ``given`` or ``return_type`` is none of these.
        """
        read = _segment_inputs(self, given, questions)
        wanted = return_type or ("logits" if _is_text(given) else "outputs")
        if wanted not in ("outputs", "logits", "loss"):
            raise ModelError(f"return_type is {wanted!r}, expected 'outputs', 'logits' or 'loss'")
        state = self.initial_state(read[0][0].token.shape[0]) if state is None else state
        outputs: list[Any] = []
        logits: list[Tensor] = []
        self.clock.alone = len(read) == 1 and (isinstance(given, Segment) or _is_text(given))
        try:
            with _passing(self.hook_dict[self.LOGITS], logits) if wanted == "logits" else nullcontext():
                for segment, asked in read:
                    one, state = self.step(segment, state, asked)
                    outputs.append(one)
        finally:
            self.clock.alone = False
        if wanted == "logits":
            return torch.cat(logits, 1)
        if wanted == "loss":
            return _mean_loss(outputs, [asked for _, asked in read])
        return (outputs[0] if isinstance(given, Segment) else outputs), state

    def to_tokens(self, text: str | Sequence[str]) -> Tensor:
        """Token ids, int [sequence, token], of texts that have the same number of tokens; ModelError when they do not."""
        return _to_tokens(self.tokenizer, text, self.device)

    def run(
        self,
        streams: Encoded | Sequence[Encoded],
        *,
        state: Any = None,
        first: int = 0,
        predict: bool = True,
        changes: Sequence[Change] = (),
    ) -> Iterator[Result[Any]]:
        """Read encoded streams side by side in constant memory: ``memlens.model.run.run``.

        Parameters
        ----------
        streams : Encoded or sequence of Encoded
            Those that end earlier are padded.
        state, first, predict, changes
            As ``memlens.model.run.run``.

        Returns
        -------
        iterator of Result
            One a segment.
        """
        read = streams if isinstance(streams, list | tuple) else [cast(Encoded, streams)]
        return run(self, read, state=state, first=first, predict=predict, changes=changes)


@contextmanager
def _passing(point: nn.Module, kept: list[Tensor]) -> Iterator[None]:
    """Append to ``kept`` what leaves a point, after all hooks that were there before."""
    handle = point.register_forward_hook(lambda module, args, out: kept.append(cast(Tensor, out)))
    try:
        yield
    finally:
        handle.remove()


def _mean_loss(outputs: Sequence[Any], questions: Sequence[Questions | None]) -> Tensor:
    """Mean nats of all text tokens, plus the mean loss of the answers where something was asked; float []."""
    nats = torch.cat([one.nats[one.text] for one in outputs])
    told = [
        one.answers.loss[asked.valid]
        for one, asked in zip(outputs, questions, strict=True)
        if one.answers is not None and asked is not None
    ]
    loss = nats.mean() if len(nats) else nats.sum()
    return loss + torch.cat(told).mean() if told else loss
