"""What a stream is made of: text, images, sounds, DNA and questions."""

from dataclasses import dataclass

import numpy as np

from memlens.dims import Modality
from memlens.errors import StreamError
from memlens.user_input import check_unicode

#: Kinds of parts that take positions of the stream.
KINDS = {"text": Modality.TEXT, "image": Modality.IMAGE, "audio": Modality.AUDIO, "dna": Modality.DNA}


def refuse_surrogates(text: str, what: str) -> None:
    """Refuse text that UTF-8 cannot write.

    Parameters
    ----------
    text : str
        Checked.
    what : str
        What it is, for the error.

    Raises
    ------
    StreamError
        With the place of the first lone surrogate.
    """
    try:
        check_unicode(text, what)
    except ValueError as error:
        raise StreamError(str(error)) from None


@dataclass(frozen=True, eq=False)
class StreamPart:
    """One piece of a stream.

    Attributes
    ----------
    kind : {"text", "image", "audio", "dna", "question"}
    text : str
        The text, the letters of the strand, or the question.
    payload : float32 [position, payload] or None
        What an image or a sound was encoded to.
    answer : str
        Answer of a question.
    fact : int
        Id of the fact that it states or asks for, -1 for none.
    group : str
        Of a question: what sets it apart from others, "" for nothing.

    Raises
    ------
    StreamError
        When a text, an answer or a group holds a lone surrogate.
    """

    kind: str
    text: str = ""
    payload: np.ndarray | None = None
    answer: str = ""
    fact: int = -1
    group: str = ""

    def __post_init__(self) -> None:
        refuse_surrogates(self.text, self.kind)
        refuse_surrogates(self.answer, "answer")
        refuse_surrogates(self.group, "group")

    def __repr__(self) -> str:
        fact = f", fact {self.fact}" if self.fact >= 0 else ""
        if self.payload is not None:
            return f"<StreamPart {self.kind}: {len(self.payload):,} positions{fact}>"
        said = self.text if len(self.text) <= 60 else f"{self.text[:57]}..."
        answer = f" -> {self.answer!r}" if self.answer else ""
        return f"<StreamPart {self.kind}: {said!r}{answer} ({len(self.text):,} characters){fact}>"
