"""Attention over a window is what a full matrix says it is, however the stream was cut and however long it has been."""

import math
from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor

from memlens.config import BaselineConfig
from memlens.dims import Modality
from memlens.model import Segment, StreamReader
from memlens.model.window_attention import WindowAttention, rotate
from tests.model.conftest import make_questions, make_segment
from tests.model.test_baseline import SMALL, fed, make_reader


def full_matrix(reader: StreamReader, segment: Segment) -> Tensor:
    """Hidden vectors by one matrix of all positions, a head and a layer at a time; turns are complex numbers of whole positions."""
    cfg = reader.cfg
    width = cfg.d_model // cfg.n_heads
    x = reader.encoders(segment)
    place = torch.arange(x.shape[1])
    frequency = torch.tensor([10_000.0 ** (-2 * i / width) for i in range(width // 2)], dtype=torch.float64)
    turn = torch.exp(1j * place[:, None] * frequency).to(torch.complex64)
    behind = place[:, None] - place
    seen = (behind >= 0) & (behind < cfg.window)
    for layer, norm, mlp in zip(reader.mixers, reader.mlp_norms, reader.mlps, strict=True):
        mixer = cast(WindowAttention, layer)
        normed, heads = mixer.norm(x), []
        for h in range(cfg.n_heads):
            rows = [slice(i * cfg.d_model + h * width, i * cfg.d_model + (h + 1) * width) for i in range(3)]
            q, k, v = (normed @ mixer.project.weight[r].T + mixer.project.bias[r] for r in rows)
            q, k = (y / y.square().mean(-1, keepdim=True).sqrt() for y in (q, k))
            q = q * mixer.temperature[h]
            q, k = (torch.complex(*y.chunk(2, -1)) * turn for y in (q, k))
            logits = (q @ k.conj().transpose(1, 2)).real / math.sqrt(width)
            heads.append(logits.masked_fill(~seen, -torch.inf).softmax(-1) @ v)
        x = x + mixer.out(torch.cat(heads, -1))
        x = x + mlp(norm(x))
    return reader.norm(x)


@pytest.mark.parametrize("cuts", [[600], [16 * i for i in range(1, 38)] + [600], [70, 370, 600]])
@pytest.mark.parametrize("window", [24, 300])
def test_attention_is_the_full_matrix_however_it_is_cut(window: int, cuts: list[int]) -> None:
    reader = make_reader("attention", window=window)
    segment = make_segment(1, length=600)
    with torch.no_grad():
        expected = full_matrix(reader, segment)
    torch.testing.assert_close(fed(reader, segment, cuts)[0], expected, atol=1e-5, rtol=1e-5)


def test_one_layer_sees_its_window_and_no_further() -> None:
    reader = make_reader("attention", n_layers=1)
    segment = make_segment(2)
    other = segment.clone()
    other.modality[:, 10] = Modality.TEXT
    other.token[:, 10] = 5 + segment.token[:, 10]
    a, b = (fed(reader, s, [16, 32, 64])[0] for s in (segment, other))
    changed = (a - b).abs().amax((0, 2)) > 1e-6
    assert changed.nonzero().flatten().tolist() == list(range(10, 10 + SMALL.window))


def test_some_heads_start_out_looking_back() -> None:
    """Of 512 keys whose content is noise, nine tenths of the weight fall on the 1st, 2nd and 3rd position back."""
    torch.manual_seed(0)
    mixer = WindowAttention(BaselineConfig(kind="attention", d_model=256, n_heads=8))
    content = 0.5 * torch.randn(3, 8, 512, 32)
    query, key, _ = content + mixer.project.bias.view(3, 8, 1, 32)
    place = torch.arange(512)
    query, key = (rotate(torch.nn.functional.rms_norm(x, (32,))[None], place)[0] for x in (query, key))
    logits = mixer.temperature[:, None] * (query[:, -1:] @ key.transpose(1, 2))[:, 0] / math.sqrt(32)
    weight = logits.softmax(-1).detach()
    assert weight[:3].argmax(-1).tolist() == [510, 509, 508]
    assert (weight[:3].amax(-1) > 0.8).all() and (weight[3:].amax(-1) < 0.8).all()


def test_a_far_place_in_the_stream_is_as_precise_as_a_near_one() -> None:
    reader = make_reader("attention")
    _, state = fed(reader, make_segment(3), [64])
    far = replace(state, position=state.position + 10_000_000)
    with torch.no_grad():
        (a, _), (b, _) = (reader.step(make_segment(4), s, make_questions(4)) for s in (state, far))
    assert a.answers is not None and b.answers is not None
    assert torch.equal(a.nats, b.nats) and torch.equal(a.answers.loss, b.answers.loss)
