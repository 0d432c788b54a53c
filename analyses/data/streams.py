"""Make the data that ships in ``memlens/streams/data``: prose, spoken digits, tokenizer.

Run once from the repository's root, ``python -m analyses.data.streams``. It needs numpy, scipy, scikit-learn,
soundfile, tokenizers and the program ``espeak-ng``; nothing is fetched. Seeded: the same versions give the same files.
"""

import importlib
import inspect
import json
import lzma
import platform
import re
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "memlens" / "streams" / "data"
TRAIN_BYTES = 2_500_000
N_VOICE, LONGEST_CLIP, RATE = 40, 0.6, 8000
MODULES = (
    "sklearn.svm sklearn.linear_model sklearn.cluster sklearn.ensemble sklearn.preprocessing sklearn.metrics "
    "sklearn.decomposition sklearn.model_selection sklearn.neighbors sklearn.manifold sklearn.feature_selection "
    "sklearn.feature_extraction.text sklearn.feature_extraction.image sklearn.gaussian_process sklearn.mixture "
    "sklearn.neural_network sklearn.naive_bayes sklearn.tree sklearn.pipeline sklearn.compose sklearn.impute "
    "sklearn.inspection sklearn.calibration sklearn.covariance sklearn.cross_decomposition sklearn.datasets "
    "sklearn.discriminant_analysis sklearn.isotonic sklearn.kernel_approximation sklearn.kernel_ridge "
    "sklearn.multiclass sklearn.multioutput sklearn.random_projection sklearn.semi_supervised sklearn.utils "
    "numpy numpy.linalg numpy.fft numpy.random numpy.ma numpy.polynomial numpy.polynomial.chebyshev numpy.testing "
    "numpy.polynomial.legendre numpy.polynomial.hermite numpy.polynomial.laguerre numpy.lib.format numpy.char "
    "numpy.lib.stride_tricks numpy.strings numpy.lib.recfunctions numpy.lib.mixins "
    "scipy.stats scipy.optimize scipy.signal scipy.linalg scipy.sparse scipy.sparse.linalg scipy.sparse.csgraph "
    "scipy.special scipy.integrate scipy.interpolate scipy.ndimage scipy.cluster.hierarchy scipy.cluster.vq "
    "scipy.spatial scipy.spatial.distance scipy.spatial.transform scipy.fft scipy.io scipy.constants "
    "scipy.stats.qmc scipy.stats.mstats scipy.stats.contingency scipy.stats.sampling scipy.signal.windows "
    "scipy.linalg.blas scipy.linalg.interpolative scipy.differentiate scipy.datasets"
).split()


def clean(paragraph: str) -> str:
    """Drop reStructuredText marks and collapse runs of white space."""
    text = re.sub(r":[a-z:]+:`~?([^`<]*?)(?:\s*<[^`]*>)?`", r"\1", paragraph)
    text = re.sub(r"\[(\d+|[A-Za-z]+\d+)\]_", "", text)
    text = re.sub(r"`([^`<]*?)\s*<[^`]*>`_+", r"\1", text)
    text = re.sub(r"\*\*([^*]+)\*\*", r"\1", text)
    text = text.replace("``", "").replace("`_", "").replace("`", "").replace("\\", "")
    # scipy prints the arguments it deprecates as a set, in another order each time
    text = re.sub(r"(?<=argument\(s\) \{)[^}]*", lambda found: ", ".join(sorted(found[0].split(", "))), text)
    return re.sub(r"\s+", " ", text).strip(" *-").strip()


def is_prose(text: str) -> bool:
    """Say whether a cleaned paragraph reads as sentences."""
    words = text.split()
    plain = sum(c.isalpha() or c in " ,.'" for c in text) / max(1, len(text))
    return (
        len(words) >= 7
        and text[0].isupper()
        and text[-1] in ".?!:"
        and plain > 0.9
        and not re.search(r">>>|\.\. |::|__|={2,}|-{3,}", text)
    )


def paragraphs(doc: str) -> list[str]:
    """Cut a docstring into paragraphs: at blank lines, underlines, directives, bullets and parameter headers."""
    found: list[str] = []
    current: list[str] = []
    for line in [*inspect.cleandoc(doc).splitlines(), ""]:
        bare = line.strip()
        header = re.match(r"^[\w*, ]+ : ", bare) or re.match(r"^(\.\. |[-=~^]{3,}|>>>)", bare)
        bullet = re.match(r"^([-*+]|\d+\.|#\.) ", bare)
        if not bare or header or bullet:
            if current:
                found.append(clean(" ".join(current)))
            current = [bare] if bullet else []
        else:
            current.append(bare)
    return found


def public_docs(name: str) -> list[str]:
    """Collect the docstrings of a module, its public objects and their public methods."""
    module = importlib.import_module(name)
    docs = [module.__doc__ or ""]
    for label in sorted(n for n in dir(module) if not n.startswith("_")):
        thing = getattr(module, label)
        if inspect.ismodule(thing):
            continue
        docs.append(inspect.getdoc(thing) or "")
        if inspect.isclass(thing):
            docs += [
                inspect.getdoc(getattr(thing, m, None)) or "" for m in sorted(vars(thing)) if not m.startswith("_")
            ]
    return docs


def make_prose() -> tuple[str, str]:
    """Give (train, test) prose, one paragraph a line; no paragraph of one is in the other."""
    from pydoc_data.topics import topics

    test: dict[str, None] = {}
    for name in sorted(topics):
        for paragraph in re.split(r"\n\s*\n", topics[name]):
            body = "\n".join(line for line in paragraph.splitlines() if not re.match(r"^\s*[-=*~^]{3,}\s*$", line))
            text = clean(body)
            if len(text.split()) >= 4:
                test[text] = None
    import sklearn

    docs = [p.read_text(encoding="utf-8") for p in sorted(Path(sklearn.__file__).parent.glob("datasets/descr/*.rst"))]
    for name in MODULES:
        docs += public_docs(name)
    train: dict[str, None] = {}
    for doc in docs:
        for text in paragraphs(doc):
            if is_prose(text) and text not in test:
                train[text] = None
    lines = list(train)
    order = np.random.default_rng(0).permutation(len(lines))  # all three libraries in any stretch of it
    kept, size = [], 0
    for i in order:
        size += len(lines[i].encode()) + 1
        if size > TRAIN_BYTES:
            break
        kept.append(lines[i])
    return "\n".join(kept), "\n".join(test)


def voices() -> list[dict[str, object]]:
    """List the voice settings: no two with the same accent and variant."""
    rng = np.random.default_rng(1)
    accents = ["en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-gb-x-gbcwmd", "en-gb-x-gbclan"]
    variants = [*(f"m{i}" for i in range(1, 8)), *(f"f{i}" for i in range(1, 6)), "klatt", ""]
    pairs = [(a, v) for a in accents for v in variants]
    chosen = [pairs[i] for i in rng.permutation(len(pairs))[:N_VOICE]]
    return [
        {
            "voice": accent + (f"+{variant}" if variant else ""),
            "speed": int(rng.integers(130, 201)),
            "pitch": int(rng.integers(25, 76)),
            "split": "test" if i >= 30 else "validation" if i >= 26 else "train",
        }
        for i, (accent, variant) in enumerate(chosen)
    ]


def speak(word: str, voice: dict[str, object], folder: Path) -> np.ndarray:
    """Speak one word, trim the silence, give int16 at 8 kHz; a clip over 0.6 s is spoken faster."""
    import soundfile
    from scipy.signal import resample_poly

    speed = int(str(voice["speed"]))
    while True:
        out = folder / "word.wav"
        command = ["espeak-ng", "-v", str(voice["voice"]), "-s", str(speed), "-p", str(voice["pitch"]), "-w", str(out)]
        subprocess.run([*command, word], check=True)
        wave, rate = soundfile.read(out, dtype="float64")
        wave = resample_poly(wave, RATE, rate)
        loud = np.flatnonzero(np.abs(wave) > 0.02 * np.abs(wave).max())
        wave = wave[loud[0] : loud[-1] + 1]
        if len(wave) <= LONGEST_CLIP * RATE:
            return (wave / np.abs(wave).max() * 0.8 * 32767).astype(np.int16)
        speed += 20


def make_speech() -> None:
    """Write ``speech.flac`` (all clips end to end) and ``speech.json`` (where each is)."""
    import soundfile

    words = "zero one two three four five six seven eight nine".split()
    clips, waves, start = [], [], 0
    settings = voices()
    with tempfile.TemporaryDirectory() as folder:
        for number, voice in enumerate(settings):
            for digit, word in enumerate(words):
                wave = speak(word, voice, Path(folder))
                end = start + len(wave)
                clips.append({"digit": digit, "voice": number, "split": voice["split"], "start": start, "end": end})
                waves.append(wave)
                start = end
    soundfile.write(DATA / "speech.flac", np.concatenate(waves), RATE, subtype="PCM_16", compression_level=1.0)
    (DATA / "speech.json").write_text(json.dumps({"voices": settings, "clips": clips}), encoding="utf-8")


def fact_sentences(n: int) -> list[str]:
    """Give statements, questions and answers of ``n`` facts of the train split."""
    from memlens.dims import Modality
    from memlens.streams.facts import make_fact

    rng = np.random.default_rng(2)
    lines = []
    for i in range(n):
        fact = make_fact(rng, (Modality.TEXT, Modality.TEXT, Modality.TEXT, Modality.DNA)[i % 4], "train")
        stated = "".join(value if kind == "text" else "" for kind, value in fact.pieces)
        lines.append(f"{stated} {fact.question} {fact.answer}")
    for text in ("picture", "recording"):
        lines += [f" The {text} of the item. Which digit does the {text} show, say? Which digit is spoken?"] * (n // 20)
    return lines


def make_tokenizer(train: str) -> None:
    """Train the byte-level BPE: 1,024 tokens, digits one by one, specials 0 to 2."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    from memlens.streams.tokenizer import SPECIALS

    tokenizer = Tokenizer(models.BPE())
    pattern = Regex(r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*train.splitlines(), *fact_sentences(40_000)], trainer)
    tokenizer.save(str(DATA / "tokenizer.json"))


def write_sources() -> None:
    """Record where everything came from, in which version, under which licence."""
    spoken = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True).stdout.split(
        "Data"
    )[0]
    (DATA / "SOURCES.md").write_text(
        f"""# Where the shipped stream data came from

Made by `analyses/data/streams.py`; run it again to make the files again.

| file | made from | licence |
|---|---|---|
| `prose_test.txt.xz` | `pydoc_data.topics` of CPython {platform.python_version()}: \
the language reference, (c) Python Software Foundation | PSF-2.0 |
| `prose_train.txt.xz` | docstrings of numpy {version("numpy")}, scipy {version("scipy")}, scikit-learn \
{version("scikit-learn")} and scikit-learn's dataset descriptions | BSD-3-Clause |
| `speech.flac`, `speech.json` | the words zero to nine, spoken by {spoken.strip()} \
in {N_VOICE} settings of voice, speed and pitch | output of a program under GPL-3.0; part of memlens |
| `tokenizer.json` | trained with tokenizers {version("tokenizers")} \
on `prose_train.txt.xz` and facts | part of memlens |

Handwritten digits are not shipped: they are read from scikit-learn
(`load_digits`; Alpaydin and Kaynak, UCI, CC BY 4.0).
""",
        encoding="utf-8",
    )


def main() -> None:
    """Make every file."""
    DATA.mkdir(parents=True, exist_ok=True)
    train, test = make_prose()
    for name, text in (("prose_train", train), ("prose_test", test)):
        (DATA / f"{name}.txt.xz").write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    make_speech()
    make_tokenizer(train)
    write_sources()
    for path in sorted(DATA.iterdir()):
        print(f"{path.name:24} {path.stat().st_size:>9,} bytes")


if __name__ == "__main__":
    main()
