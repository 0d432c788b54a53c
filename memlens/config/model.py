"""Sizes of the memory model."""

from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr

from memlens.config.base import Config


class ModelConfig(Config):
    """Sizes of the memory model. Defaults are those of ``nano``.

    ``capacities`` are entries a level (at least three levels, each of at least 2); ``merge`` entries become one.
    """

    vocab_size: int = 1024
    d_model: int = 128
    segment_length: int = 512
    # backbone
    n_layers: int = 2
    ssd_heads: int = 4
    ssd_head_dim: int = 32
    ssd_state: int = 32
    conv_width: int = 4
    chunk: int = 32
    # context memory
    n_slots: int = 32
    slot_window: int = 40
    slot_heads: int = 8
    slot_head_dim: int = 32
    pick_width: int = 17
    event_threshold: float | None = None
    # working memory
    working_slots: int = 16
    working_writes: int = 4
    # long-term store
    capacities: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=3)] = (128, 32, 8)
    merge: Literal[2] = 2
    recalls: int = 2
    policy: str = "learned"
    # retrieval, question, decoder
    n_heads: int = 4
    retrieve: int = 4
    question_layers: int = 1
    decoder_layers: int = 2
    read_views: int = 4
    max_question: int = 64
    max_answer: int = 12
    mlp_ratio: int = 2
    control_width: int = 64
    _device: str = PrivateAttr("cpu")

    @property
    def device(self) -> str:
        """Where the model that has these sizes is: TransformerLens looks for it here. Not saved."""
        return self._device

    def on(self, device: object) -> Self:
        """The same sizes, of a model on this device."""
        if str(device) == self._device:
            return self
        moved = self.model_copy()
        moved._device = str(device)
        return moved
