"""Loaders: users' files become streams; whatever is wrong becomes a StreamError that says where."""

import json

import numpy as np
import pytest
import soundfile
from PIL import Image

from memlens.dims import Modality
from memlens.errors import StreamError
from memlens.streams import Stream, default_tokenizer, load_stream

TOKENIZER = default_tokenizer()


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "a.txt").write_text("Some words 🦉.\n", encoding="utf-8")
    (tmp_path / "b.md").write_text("# Title\n", encoding="utf-8")
    Image.fromarray(rng.integers(0, 256, (32, 16, 3), dtype=np.uint8)).save(tmp_path / "c.png")
    Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / "d.jpg")
    soundfile.write(tmp_path / "e.wav", rng.normal(size=(16000, 2)).clip(-1, 1) * 0.3, 16000)
    (tmp_path / "f.fasta").write_text(">one first\nACGT\nacgt\n\n>two\nNNNN\n")
    (tmp_path / "ignored.bin").write_bytes(b"\x00\xff")
    return tmp_path


def test_each_kind(folder):
    expected = {"a.txt": Modality.TEXT, "b.md": Modality.TEXT, "c.png": Modality.IMAGE, "d.jpg": Modality.IMAGE,
                "e.wav": Modality.AUDIO}  # fmt: skip
    for name, modality in expected.items():
        assert set(load_stream(folder / name).encode(TOKENIZER).modality) == {modality}
    assert load_stream(folder / "c.png").encode(TOKENIZER).n_token == 8
    fasta = load_stream(folder / "f.fasta")
    assert [(p.kind, p.text) for p in fasta.parts] == [
        ("text", " one first: "), ("dna", "ACGTACGT"), ("text", " two: "), ("dna", "NNNN"),
    ]  # fmt: skip


def test_a_folder_is_read_in_sorted_order(folder):
    kinds = [part.kind for part in load_stream(folder).parts]
    assert kinds == ["text", "text", "image", "image", "audio", "text", "dna", "text", "dna"]


def test_stream_file(folder):
    lines = [
        {"text": "The code\u2028 is 472.", "fact": 3},
        {"text_file": "a.txt"},
        {"image": "c.png", "fact": 4},
        {"audio": "e.wav"},
        {"dna": "ACGT"},
        {"dna_file": "f.fasta"},
        {"question": "What is the code?", "answer": "472", "fact": 3},
    ]
    path = folder / "s.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n", encoding="utf-8")
    encoded = load_stream(path).encode(TOKENIZER)
    assert encoded.questions[0].distance == encoded.n_token - encoded.facts[3].end
    assert encoded.facts[4].modality == Modality.IMAGE
    assert load_stream(load_stream(path).save(folder / "kept.npz")).encode(TOKENIZER).sha256 == encoded.sha256


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not valid JSON"),
        ("[1]", "got list"),
        ("{}", "exactly one of"),
        ('{"text": "a", "dna": "A"}', "exactly one of"),
        ('{"text": "a", "colour": 1}', "unknown key 'colour'"),
        ('{"text": 5}', "expected a text"),
        ('{"text": ""}', "not empty"),
        ('{"text": "a", "fact": "b"}', "fact is"),
        ('{"text": "\\ud800"}', "text cannot be written as UTF-8: character 0"),
        ('{"question": "a\\ud83d?", "answer": "b"}', "question .* character 1"),
        ('{"question": "a?", "answer": "bc\\ud83d"}', "answer .* character 2"),
        ('{"text": "a", "text": "b"}', "key 'text' stands twice"),
        ('{"text": "a", "fact": NaN}', "NaN is not a number"),
        ('{"text": "a", "fact": 1e999}', "too large for a float"),
        ('{"text": "a", "fact": ' + "9" * 5_000 + "}", "more than 400 characters"),
        ('{"question": "What?"}', "no answer"),
        ('{"question": "What?", "answer": 3}', "no answer"),
        ('{"image": "none.png"}', "does not exist"),
        ('{"image": "a\\u0000.png"}', "cannot|exist"),
        ('{"audio": "a.txt"}', "not a readable sound"),
        ('{"dna": "ACX"}', "'X' at index 2"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_stream_file_errors_name_the_line(folder, line, said):
    path = folder / "bad.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(StreamError, match=said) as caught:
        load_stream(path)
    assert "line 2" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.txt", b""),
        ("x.txt", b"\xff\xfe\x00"),
        ("x.png", b"not an image"),
        ("x.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40),
        ("x.jpg", b""),
        ("x.wav", b"RIFF"),
        ("x.wav", b""),
        ("x.fasta", b"ACGT\n"),
        ("x.fasta", b">only a header\n"),
        ("x.fa", b">a\nACZT\n"),
        ("x.jsonl", b""),
        ("x.jsonl", b"\n\n"),
        ("x.npz", b"PK"),
        ("x.bin", b"1"),
    ],
)
def test_damaged_files_are_stream_errors(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(StreamError):
        load_stream(tmp_path / name)
    with pytest.raises(StreamError):
        load_stream(tmp_path)


def test_truncated_image_is_a_stream_error(folder):
    data = (folder / "c.png").read_bytes()
    (folder / "cut.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(StreamError, match="not a readable"):
        load_stream(folder / "cut.png")


@pytest.mark.parametrize("kind", ["text_file", "image", "audio", "dna_file"])
def test_a_stream_file_names_files_below_its_own_folder_only(folder, kind):
    inner = folder / "inner"
    (inner / "deep").mkdir(parents=True)
    name = {"text_file": "a.txt", "image": "c.png", "audio": "e.wav", "dna_file": "f.fasta"}[kind]
    (inner / f"link-{name}").symlink_to(folder / name)
    (inner / "up").symlink_to(folder)
    (inner / "deep" / name).write_bytes((folder / name).read_bytes())
    path = inner / "s.jsonl"

    def read(given, **options):
        path.write_text(json.dumps({kind: given}))
        return load_stream(path, **options).encode(TOKENIZER).sha256

    expected = read(f"deep/{name}")
    assert read(f"deep/../deep/{name}") == expected
    for given in (f"../{name}", str(folder / name), f"link-{name}", f"up/{name}", "../none"):
        for start in (path, inner):
            path.write_text(json.dumps({kind: given}))
            with pytest.raises(StreamError, match=r"line 1: .* leads outside the folder of the stream file"):
                load_stream(start)
        if given != "../none":
            assert read(given, allow_outside=True) == expected


def test_missing_paths_and_empty_folders(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path / ("x" * 5000 + ".txt"), tmp_path / "a\0b.txt", tmp_path):
        with pytest.raises(StreamError):
            load_stream(path)
    (tmp_path / "named.txt").mkdir()
    with pytest.raises(StreamError):
        Stream().image(tmp_path / "named.txt")


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_sound_that_ends_before_its_header_says_is_refused(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    wave = np.random.default_rng(0).normal(size=(30_000, 2)).clip(-1, 1)
    soundfile.write(path, wave, 8000)
    read = Stream().audio(path).parts[0].payload
    whole = path.read_bytes()
    assert (read == Stream().audio(soundfile.read(path, dtype="float32")[0], 8000).parts[0].payload).all()
    for n_byte in (1, 100, len(whole) // 2):
        path.write_bytes(whole[: len(whole) - n_byte])
        with pytest.raises(StreamError, match=r"ends early|not a readable sound"):
            Stream().audio(path)


def test_a_wav_out_of_a_pipe_has_no_length(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.zeros(800), 8000)
    data = bytearray((tmp_path / "x.wav").read_bytes())
    data[40:44] = b"\xff" * 4
    (tmp_path / "x.wav").write_bytes(data)
    assert len(load_stream(tmp_path / "x.wav").parts) == 1


@pytest.mark.parametrize("shape", [(2, 16_000), (1, 16_000)])
def test_channels_that_stand_first_are_refused(shape):
    with pytest.raises(StreamError, match="channels stand first: give its transpose"):
        Stream().audio(np.zeros(shape), 8000)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_one(tmp_path, end):
    (tmp_path / "x.fasta").write_bytes(f">a b{end}ACGT{end}{end} AC GT\t{end}".encode())
    assert [part.text for part in load_stream(tmp_path / "x.fasta").parts] == [" a b: ", "ACGTACGT"]
    (tmp_path / "x.jsonl").write_bytes(f'{{"text": "a\u2028b"}}{end}{{"text": "c"}}{end}'.encode())
    assert [part.text for part in load_stream(tmp_path / "x.jsonl").parts] == ["a\u2028b", "c"]
    (tmp_path / "x.txt").write_bytes(f"a{end}b".encode())
    assert load_stream(tmp_path / "x.txt").parts[0].text == "a\nb"


@pytest.mark.parametrize("odd", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u00a0"])
def test_characters_that_are_no_line_ends_split_no_line(tmp_path, odd):
    (tmp_path / "x.fasta").write_text(f">one{odd}two\nACGT\n", encoding="utf-8")
    assert [part.text for part in load_stream(tmp_path / "x.fasta").parts] == [f" one{odd}two: ", "ACGT"]
    (tmp_path / "y.fasta").write_text(f">one\nAC{odd}GT\n", encoding="utf-8")
    (tmp_path / "z.txt").write_text(f"AC{odd}GT\n", encoding="utf-8")
    (tmp_path / "z.jsonl").write_text('{"dna_file": "z.txt"}', encoding="utf-8")
    for name in ("y.fasta", "z.jsonl"):
        with pytest.raises(StreamError, match="at index 2 is not allowed"):
            load_stream(tmp_path / name)
