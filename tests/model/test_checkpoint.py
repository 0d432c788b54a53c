"""Model folders: the same model comes back; anything else is one clear error."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from memlens.errors import ModelError
from memlens.model import load_model, save_model
from memlens.model.checkpoint import load_config


@pytest.fixture
def folder(model, tmp_path):
    save_model(model, tmp_path / "m")
    return tmp_path / "m"


def test_round_trip(model, folder) -> None:
    loaded = load_model(folder)
    assert loaded.cfg == model.cfg and loaded.name == "small" and len(loaded.sha256) == 64
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    assert load_model(folder, policy="fifo").policy_name == "fifo"


def test_missing(folder, tmp_path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        load_model(tmp_path / "nowhere")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        load_model(folder)


def test_a_shipped_model_is_found_by_its_name(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config("nano").n_slots == 32
    with pytest.raises(
        ModelError, match=r"no model folder at 'nan', and no trained model is called 'nan'; closest: nano"
    ):
        load_model("nan")
    (tmp_path / "nano").write_text("")
    with pytest.raises(ModelError, match=r"'nano' is a file; expected a folder with model\.safetensors"):
        load_model("nano")


def test_damaged(folder) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="damaged"):
        load_model(folder)


def test_foreign_weights(folder) -> None:
    save_file({"transformer.wte": torch.zeros(2, 2)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"foreign \(first: transformer\.wte\)"):
        load_model(folder)


def test_wrong_shape(folder) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["norm.gain"] = torch.zeros(7)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"norm\.gain has shape \(7,\), expected \(32,\)"):
        load_model(folder)


def test_nan(folder) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["norm.gain"][3] = float("nan")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"norm\.gain holds 1 values that are not finite"):
        load_model(folder)


@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"model": 3}'])
def test_config_that_is_none(folder, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        load_model(folder)


def test_config_with_unknown_key(folder) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model"]["n_slotz"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"unknown key 'n_slotz'; closest: n_slots"):
        load_model(folder)


def test_tokenizer_that_is_none(folder) -> None:
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer"):
        load_model(folder)
