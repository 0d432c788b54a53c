"""The scan in chunks, position by position, and cut in two are one scan."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memlens.model.backbone import chunked_scan, sequential_scan
from memlens.model.segment import Segment
from tests.model.conftest import make_segment


def scan_inputs(length: int, seed: int) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(2, length, 3, 4, generator=g)
    log_decay = -torch.rand(2, length, 3, generator=g) * 2
    b, c = torch.randn(2, length, 5, generator=g), torch.randn(2, length, 5, generator=g)
    return x, log_decay, b, c, torch.randn(2, 3, 4, 5, generator=g)


@given(length=st.integers(1, 70), chunk=st.sampled_from([4, 16, 32]), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_chunked_is_sequential(length: int, chunk: int, seed: int) -> None:
    x, log_decay, b, c, h = scan_inputs(length, seed)
    y1, h1 = sequential_scan(x, log_decay, b, c, h)
    y2, h2 = chunked_scan(x, log_decay, b, c, h, chunk)
    torch.testing.assert_close(y1, y2, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(h1, h2, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cut", [1, 16, 37])
def test_scan_cut_in_two(cut: int) -> None:
    x, log_decay, b, c, h = scan_inputs(64, 3)
    whole, end = chunked_scan(x, log_decay, b, c, h, 16)
    first, h_cut = chunked_scan(x[:, :cut], log_decay[:, :cut], b[:, :cut], c[:, :cut], h, 16)
    second, end_cut = chunked_scan(x[:, cut:], log_decay[:, cut:], b[:, cut:], c[:, cut:], h_cut, 16)
    torch.testing.assert_close(whole, torch.cat((first, second), 1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(end, end_cut, atol=1e-5, rtol=1e-5)


def test_backbone_cut_in_two(model) -> None:
    """Convolution buffers and states are carried: hidden vectors do not depend on where the stream is cut."""
    segment = make_segment(1)

    def part(a: int, b: int) -> Segment:
        return segment.map(lambda x: x[:, a:b])

    with torch.no_grad():
        whole, _, end = model.perceive(segment, model.initial_state(2))
        state = model.initial_state(2)
        first, _, blocks = model.perceive(part(0, 23), state)
        state = type(state)(**{**state.__dict__, "blocks": blocks})
        second, _, end_cut = model.perceive(part(23, 64), state)
    torch.testing.assert_close(whole, torch.cat((first, second), 1), atol=1e-5, rtol=1e-5)
    for a, b in zip(end, end_cut, strict=True):
        torch.testing.assert_close(a[1], b[1], atol=1e-5, rtol=1e-5)


def test_padding_changes_no_state(model) -> None:
    segment = make_segment(2)
    valid = segment.valid.clone()
    valid[:, 40:] = False
    padded = Segment(segment.modality, segment.token, segment.payload, valid)
    with torch.no_grad():
        _, _, short = model.perceive(segment.map(lambda x: x[:, :40]), model.initial_state(2))
        _, _, long = model.perceive(padded, model.initial_state(2))
    for a, b in zip(short, long, strict=True):
        torch.testing.assert_close(a[1], b[1], atol=1e-5, rtol=1e-5)
