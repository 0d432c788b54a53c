"""Figures are checked as data: what they draw is what the result holds."""

import numpy as np
import pytest

from memlens import figures
from memlens.catalogue import CATALOGUE, run
from memlens.errors import AnalysisError
from memlens.figures import plot_slot_map
from memlens.figures.plot_slot_map import _shown
from memlens.figures.style import ACTION_COLOUR, matplotlib_text, p_text, plotly_text

CHEAP = {"draws": 19, "shuffles": 19, "boots": 2}
NAMES = [analysis.name for analysis in CATALOGUE]


@pytest.mark.parametrize("name", NAMES)
def test_every_analysis_is_drawn_twice_and_told(results, name, tmp_path):
    figure = figures.plot(name, results[name])
    assert len(figure.data) > 0
    assert figure.layout.title.text
    figures.plot(name, results[name], backend="matplotlib").savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000
    text = figures.caption(name, results[name])
    assert text.endswith(".")
    assert "nan" not in text


@pytest.mark.parametrize("name", [name for name in NAMES if name != "slot_history"])
def test_n_is_in_the_title_and_axes_are_named(results, name):
    figure = figures.plot(name, results[name])
    assert f"{results[name].attrs['n']:,}" in figure.layout.title.text
    assert any(axis.title.text for axis in figure.select_xaxes())
    assert any(axis.title.text for axis in figure.select_yaxes())


def test_retention_draws_the_accuracies(results):
    figure, data = figures.plot("retention", results["retention"]), results["retention"]
    marks = {trace.name: trace for trace in figure.data if trace.xaxis == "x" and trace.mode == "markers"}
    assert set(marks) == {"all", "text", "image"}
    for name, trace in marks.items():
        row = data.sel(modality=name)
        np.testing.assert_allclose(trace.y, 100 * row["accuracy"])
        np.testing.assert_allclose(np.add(trace.y, trace.error_y.array), 100 * row["high"])


def test_panels_draw_the_null_beside_what_was_measured(results):
    figure, data = figures.plot("attention", results["attention"]), results["attention"]
    null = next(trace for trace in figure.data if trace.name == "null: even attention")
    np.testing.assert_allclose(null.y, data["entropy_null"].values[[0, -1]])
    page = figures.plot("attention", results["attention"], backend="matplotlib")
    assert "null: even attention" in [text.get_text() for text in page.legends[0].get_texts()]


def test_clusters_draw_the_null_beside_the_score(results):
    figure, data = figures.plot("clusters", results["clusters"]), results["clusters"]
    boxes = [trace for trace in figure.data if trace.type == "box"]
    np.testing.assert_allclose(boxes[0].y, data["silhouette_null"])
    assert sum(np.sum(trace.y) for trace in figure.data if trace.type == "bar") == pytest.approx(data.attrs["n"])


def test_actions_have_their_own_colours_and_letters(results):
    figure = figures.plot("decisions", results["decisions"])
    assert {trace.fillcolor for trace in figure.data if trace.stackgroup} == set(ACTION_COLOUR.values())
    assert {trace.name[0] for trace in figure.data} == set("SCRD")


def test_probe_draws_its_control(results):
    figure, data = figures.plot("probe", results["probe"]), results["probe"]
    control = next(trace for trace in figure.data if trace.name == "shuffled targets")
    np.testing.assert_allclose(control.y, 100 * data["control"].mean("shuffle"))


def test_a_group_that_is_found_is_filled(results):
    figure, data = figures.plot("probe_profile", results["probe_profile"]), results["probe_profile"]
    measured = next(trace for trace in figure.data if trace.name and trace.name.startswith("measured"))
    np.testing.assert_allclose(measured.y, data["information"])
    assert [symbol == "diamond" for symbol in measured.marker.symbol] == data["found"].values.tolist()


def test_a_large_map_is_sampled_and_says_so(results):
    data = results["slot_map"]
    large = data.isel(sample=np.arange(60_000) % data.sizes["sample"]).assign_attrs(n=60_000, total=90_000)
    assert _shown(large).sizes["sample"] == 50_000
    figure = plot_slot_map(large)
    assert "showing 50,000 of 60,000" in figure.layout.title.text
    assert figure.data[0].type == "scattergl"


def test_captions_say_when_an_effect_is_within_its_null(plant):
    nothing = plant(apart=0.0, accuracy=0.5)
    assert "no evidence of clusters" in figures.caption("clusters", run("clusters", nothing, **CHEAP))
    assert "no evidence that is fact can be read" in figures.caption("probe", run("probe", nothing, target="is_fact"))
    assert "no change with distance" in figures.caption("retention", run("retention", nothing, bins=2))


def test_recorded_text_is_escaped_for_plotly_and_matplotlib(results):
    assert plotly_text("<a href='x'>") == "&lt;a href='x'&gt;"
    assert plotly_text("a\nb\x00") == "a⏎b\N{REPLACEMENT CHARACTER}"
    assert matplotlib_text("$x$") == r"\$x\$"
    text = figures.plot("slot_history", results["slot_history"]).to_json()
    assert "script>alert" not in text.replace("&lt;script&gt;alert", "")


def test_words():
    assert p_text(1 / 20, 19) == "p ≤ 0.05"
    assert p_text(0.3, 19) == "p = 0.3"
    with pytest.raises(AnalysisError, match="retention"):
        figures.plot("retentions", None)


def test_wrong_names_of_figures_and_backends_say_what_there_is(results):
    with pytest.raises(AttributeError, match="plot_retention"):
        figures.plot_retentoin  # noqa: B018
    with pytest.raises(AnalysisError, match="'bokeh'; expected 'plotly', for the screen, or 'matplotlib'"):
        figures.plot_retention(results["retention"], backend="bokeh")
