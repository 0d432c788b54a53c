import csv
import hashlib
import json
import multiprocessing
import re

import pytest

from memlens.errors import AnalysisError, RecordingError
from memlens.report import write_report
from memlens.testing import planted_recording

CHOICE = {
    "retention": {},
    "occupancy": {},
    "decisions": {},
    "clusters": {"k": 4, "draws": 3, "shuffles": 3, "boots": 1},
    "slot_map": {},
    "probe": {"shuffles": 1},
    "slot_history": {"sequence": 0, "segment": 0, "slot": 0},
}


@pytest.fixture(scope="module")
def report(recording, tmp_path_factory):
    return write_report(recording, tmp_path_factory.mktemp("reports") / "report", analyses=CHOICE)


@pytest.fixture(scope="module")
def page(report):
    return (report / "report.html").read_text(encoding="utf-8")


def test_everything_is_there(report):
    assert {path.name for path in report.iterdir()} == {"report.html", "report.pdf", "figures", "data", "manifest.json"}
    assert {path.stem for path in (report / "figures").iterdir()} == set(CHOICE)
    assert not list(report.parent.glob(".report*"))


def test_page_fetches_nothing(page):
    outside = re.sub(r"<script\b.*?</script>", "", page, flags=re.S)
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", outside)
    assert "@import" not in outside
    assert not re.search(r"<(script|link|iframe|img)\b[^>]*\b(src|href)=", page)
    assert "default-src 'none'" in page
    assert page.count("plotly.js v") == 1


def test_recorded_text_is_escaped(page):
    assert "<img src=x" not in page
    assert "nano &lt;img src=x onerror=alert(1)&gt;" in page
    assert "<script>alert(1)" not in page


def test_page_has_summary_captions_limits_and_provenance(page):
    for words in ("recording-1", "tokens/s", "1,024 MiB", "questions were answered exactly", 'id="limits"', "ab" * 32):
        assert words in page
    assert page.count("<figcaption>") == len(CHOICE)


def test_pdf_has_a_page_for_each_figure(report):
    raw = (report / "report.pdf").read_bytes()
    assert raw.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", raw)) == len(CHOICE) + 2


def test_manifest_matches_the_files(report):
    manifest = json.loads((report / "manifest.json").read_text())
    listed = {row["file"]: row for row in manifest["files"]}
    on_disk = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(listed) == on_disk
    for name, row in listed.items():
        assert hashlib.sha256((report / name).read_bytes()).hexdigest() == row["sha256"]
    assert {row["analysis"] for row in manifest["analyses"]} == set(CHOICE)
    assert manifest["recording"] == "recording-1"


def test_data_can_be_read_back(report):
    whole = json.loads((report / "data/retention.json").read_text())
    assert whole["attrs"]["n"] == 300
    with (report / "data/retention.modality-bin.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["n"]) for row in rows if row["modality"] == "all") == 300


def test_an_analysis_that_cannot_run_becomes_a_note(plant, tmp_path):
    steps = []
    folder = write_report(
        plant(questions=0),
        tmp_path / "report",
        analyses=["retention", "occupancy"],
        progress=lambda done, total, what: steps.append((done, total, what)),
    )
    text = (folder / "report.html").read_text()
    assert "could not run: the recording holds no question" in text
    assert steps == [
        (0, 4, "report: retention"),
        (1, 4, "report: occupancy"),
        (2, 4, "report: report.html"),
        (3, 4, "report: report.pdf"),
        (4, 4, "report: done"),
    ]
    assert json.loads((folder / "manifest.json").read_text())["analyses"][0]["ran"] is False


def test_an_existing_folder_is_left_alone(recording, tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(RecordingError, match="exists already"):
        write_report(recording, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_nothing_half_written_stays(recording, tmp_path):
    def stop(done, total, what):
        if what == "report: report.pdf":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(recording, tmp_path / "report", analyses=["occupancy"], progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    return planted_recording(tmp_path_factory.mktemp("recordings") / "run", n_segment=24)


def test_analyses_side_by_side_give_the_same(on_disk, tmp_path):
    chosen = {"lineage": {"shuffles": 19}, "occupancy": {}, "drift": {"point": "working.hook_slot"}}
    found = [write_report(on_disk, tmp_path / f"{n}", analyses=chosen, workers=n) for n in (1, 2)]
    told = [json.loads((folder / "manifest.json").read_text()) for folder in found]
    kept = [[(row["analysis"], row["note"], row["params"]) for row in one["analyses"]] for one in told]
    assert kept[0] == kept[1]
    data = [{path.name: path.read_bytes() for path in (folder / "data").iterdir()} for folder in found]
    assert data[0] == data[1] and data[0]
    assert not multiprocessing.active_children()


def test_a_worker_that_is_killed_is_an_error_and_an_interrupt_ends_them(on_disk, tmp_path):
    def kill(done, total, what):
        for child in multiprocessing.active_children():
            child.kill()

    def stop(done, total, what):
        if done == 1:
            raise KeyboardInterrupt

    for what, expected in ((kill, AnalysisError), (stop, KeyboardInterrupt)):
        with pytest.raises(expected) as raised:
            write_report(on_disk, tmp_path / "report", analyses=CHOICE, workers=2, progress=what)
        assert not multiprocessing.active_children()
        assert list(tmp_path.iterdir()) == []
        assert expected is KeyboardInterrupt or "take fewer workers than 2" in str(raised.value)


def test_what_cannot_be_handed_to_another_process_is_refused(on_disk, tmp_path):
    with pytest.raises(AnalysisError, match="take 1 worker"):
        write_report(on_disk, tmp_path / "report", analyses=CHOICE, workers=2, model=lambda: 0)


def test_wrong_choices_are_refused_before_any_work(recording, tmp_path):
    with pytest.raises(AnalysisError, match="closest"):
        write_report(recording, tmp_path / "report", analyses=["ocupancy"])
    with pytest.raises(AnalysisError, match="needs sequence"):
        write_report(recording, tmp_path / "report", analyses=["slot_history"])
    assert list(tmp_path.iterdir()) == []
