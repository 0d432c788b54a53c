"""The trained models and the dashboard are found inside the package."""

import pytest

from memlens.errors import ModelError
from memlens.resources import dashboard_app, shipped_model, shipped_models


def test_what_travels_is_there() -> None:
    assert {"base", "nano"} <= set(shipped_models())
    assert all((folder / "model.safetensors").is_file() for folder in shipped_models().values())
    assert shipped_model("nano").name == "nano"
    assert dashboard_app().is_file()


def test_a_wrong_name_lists_the_closest() -> None:
    with pytest.raises(ModelError, match="no trained model is called 'nan'; closest: nano"):
        shipped_model("nan")
