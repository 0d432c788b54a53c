"""The one vocabulary of axes, modalities and actions.

Every tensor comment, jaxtyping string, xarray dimension and figure label uses these whole words.

======== ==========================================================================
axis      meaning
======== ==========================================================================
sequence  independent stream (the batch axis of the model)
segment   a run of S consecutive positions; the unit of one model step
token     position inside a segment, 0 .. S-1
position  position in the whole stream, segment * S + token
slot      context slot of M_ctx, 0 .. K-1
working   working-memory slot of M_t
window    how far back a slot looked from the position it was picked at: 0 = the picked position
entry     place in the long-term store L_t; its ``level`` is a coordinate
agent     decision maker: the K candidates (fresh slots) first, then the store's entries
action    STORE, COMPRESS, RETRIEVE, DISCARD
control   feature the controller sees
feature   model width
head      attention or state-space head
read      one of the vectors a question retrieved
question  question asked of a stream
======== ==========================================================================
"""

from enum import IntEnum

#: Special tokens of every vocabulary.
PAD, BOS, EOS = 0, 1, 2

SEQUENCE = "sequence"
SEGMENT = "segment"
TOKEN = "token"
POSITION = "position"
SLOT = "slot"
WORKING = "working"
WINDOW = "window"
ENTRY = "entry"
AGENT = "agent"
ACTION = "action"
CONTROL = "control"
LEVEL = "level"
FEATURE = "feature"
HEAD = "head"
READ = "read"
QUESTION = "question"


# Tensors are compared with int(...) of a member: torch.compile takes ``tensor == member`` for False.


class Modality(IntEnum):
    """What kind of thing a position carries."""

    TEXT = 0
    IMAGE = 1
    AUDIO = 2
    DNA = 3


class Action(IntEnum):
    """What the controller does with a memory entry."""

    STORE = 0
    COMPRESS = 1
    RETRIEVE = 2
    DISCARD = 3


#: Numbers that one position of each non-text modality carries, and the width they are padded to.
PAYLOAD = {Modality.IMAGE: 64, Modality.AUDIO: 128, Modality.DNA: 32}
PAYLOAD_WIDTH = 128
