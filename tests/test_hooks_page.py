"""docs/hooks.md says what hooks do: its blocks run, in their order, on a small untrained model in the place of the trained one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import torch

from memlens.config import ModelConfig
from memlens.model import MemoryModel, save_model
from memlens.streams import default_tokenizer

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"d_model": 32, "ssd_heads": 2, "ssd_head_dim": 16, "ssd_state": 8, "slot_heads": 2, "slot_head_dim": 8}


def test_hooks_page(tmp_path: Path) -> None:
    """As a user runs it: torch cannot compile the run-time checks of tensor shapes that tests install."""
    torch.manual_seed(0)
    model = MemoryModel(ModelConfig(**SIZES, segment_length=256, max_answer=4), default_tokenizer(), "nano")
    save_model(model, tmp_path / "nano")
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8"), re.M | re.S
    )
    assert len(blocks) == 9
    (tmp_path / "page.py").write_text("\n\n".join([*blocks, "print(restored[0].count_nonzero(), restored[0].max())"]))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "page.py"],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no hook point is called 'context.hook_slots'; closest: context.hook_slot" in done.stdout
    assert "hooks are attached at working.hook_gate, but this step is compiled" in done.stdout
    assert done.stdout.count("layer ") == model.cfg.n_layers
    # all of the difference comes in at the one token that differs
    assert done.stdout.splitlines()[-1] == "tensor(1) tensor(1.)"
