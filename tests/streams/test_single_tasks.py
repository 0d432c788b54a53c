"""What single tasks promise besides answers that follow: counts, groups, motifs and nothing like them, rules."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from memlens.dims import Modality
from memlens.errors import StreamError
from memlens.streams import Stream, default_tokenizer, find_task
from memlens.streams.codecs import text_ids
from memlens.streams.facts import count_sites
from memlens.streams.samples import spoken_digits
from memlens.streams.symbols import noise_symbols, symbols
from memlens.streams.tasks.budget import rule_of

from .solvers import SOLVERS, said_by, transcript

TOKENIZER = default_tokenizer()


def test_rewrite_changes_as_many_keys_as_asked():
    scene = find_task("rewrite").draw(np.random.default_rng(0), "test", 500, rewritten=0.5, versions=3)
    times = [int(query.group.removeprefix("rewritten ")) for query in scene.queries if query.group != "written once"]
    assert len(times) == 250 and set(times) == {1, 2, 3}
    assert len(scene.statements) == 500 + sum(times) and len(scene.queries) == 500


def test_entity_asks_for_the_hops_it_is_told():
    for hops, group in {1: "1 hop", 2: "2 hops", 3: "3 hops"}.items():
        scene = find_task("entity").draw(np.random.default_rng(0), "train", 40, hops=hops)
        assert {query.group for query in scene.queries} == {group}
        assert {len(query.support) for query in scene.queries} == {hops}
    groups = {query.group for query in find_task("entity").draw(np.random.default_rng(0), "train", 40).queries}
    assert groups == {"1 hop", "2 hops", "3 hops"}


def test_no_statement_of_the_support_can_be_spared():
    """Without one of them the answer is another or none, but for a place told again."""
    needed = total = 0
    for seed in range(30):
        scene = find_task("entity").draw(np.random.default_rng(seed), "train", 12, hops=2)
        for query in scene.queries:
            for left_out in query.support:
                keep = tuple(i for i in query.support if i != left_out)
                try:
                    answer = SOLVERS["entity"](transcript(said_by(scene, keep), "train"), query.text)
                except (KeyError, IndexError):
                    answer = ""
                total += 1
                needed += answer != query.answer
    assert needed == total > 50


def test_cross_pairs_every_modality_with_every_other():
    scene = find_task("cross").draw(np.random.default_rng(0), "train", 100)
    modalities = ("audio", "image", "dna")
    assert {query.group for query in scene.queries} == {f"{a} to {b}" for a in modalities for b in modalities if a != b}
    assert len({query.text.split("with", 1)[1] for query in scene.queries}) == 100


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_an_image_takes_a_position_a_patch(scale):
    encoded = find_task("digits").stream(0, 0, "test", 4, scale=scale).encode(TOKENIZER)
    assert (encoded.modality == int(Modality.IMAGE)).sum() == 4 * scale**2
    if scale == 8:  # a position is one pixel
        assert (encoded.payload == encoded.payload[:, :1])[:, :64].all()


def test_spoken_digits_come_from_the_split():
    scene = find_task("spoken").draw(np.random.default_rng(0), "validation", 30, digits=2)
    pool = {clip.tobytes() for clips in spoken_digits("validation") for clip in clips}
    clips = [value for statement in scene.statements for kind, value in statement.pieces if kind == "audio"]
    assert len(clips) == 60 and all(clip.tobytes() in pool for clip in clips)


def genome(stream: Stream) -> str:
    return "".join(part.text for part in stream.parts if part.kind == "dna")


def test_nothing_but_a_motif_holds_a_site():
    assert count_sites(genome(find_task("motif").stream(50_000, 0, "train", 10))) == 20
    for seed in range(60):  # most of what is said here borders on filler
        assert count_sites(genome(find_task("motif").stream(1_000, seed, "train", 10))) == 20


def fasta(path: Path, letters: str) -> str:
    records = [letters[:300], letters[300:]]
    path.write_text("".join(f">record {i}\n{part[:70]}\n{part[70:]}\n" for i, part in enumerate(records)))
    return f"fasta:{path}"


def test_motifs_in_a_real_sequence(tmp_path):
    rng = np.random.default_rng(0)
    letters = "".join("ACGTN"[i] for i in rng.choice(5, size=700, p=(0.25, 0.25, 0.25, 0.24, 0.01)))
    letters = letters[:61] + "gaattc" + letters[67:298] + "CTGCAG" + letters[304:697] + "AAG"  # 298: across records
    letters = "CTT" + letters[3:]  # AAG CTT: where the end meets the start
    filler = fasta(tmp_path / "a.fa", letters)
    assert count_sites(letters.upper() + letters.upper()[:5]) >= 3
    stream = find_task("motif").stream(2_500, 7, "test", 6, filler)
    assert count_sites(genome(stream)) == 12 and len(genome(stream)) == 2_500
    between = "".join(part.text for part in stream.parts if part.kind == "dna" and part.fact < 0)
    source = letters.upper() * 5
    changed = min(sum(a != b for a, b in zip(between, source[i:], strict=False)) for i in range(700))
    assert 0 < changed <= 40  # every round breaks the same few sites
    assert stream.config["filler"] == filler
    text = transcript(stream, "test")
    asked = [part for part in stream.parts if part.kind == "question"]
    assert len(asked) == 6 and all(SOLVERS["motif"](text, part.text) == part.answer for part in asked)


def test_a_fasta_that_is_none(tmp_path):
    with pytest.raises(StreamError, match="'R' at index 4 is not allowed"):
        find_task("motif").stream(1_000, filler=fasta(tmp_path / "b.fa", "ACGTRACGT" * 50))
    with pytest.raises(StreamError, match="does not exist"):
        find_task("motif").stream(1_000, filler="fasta:nowhere.fa")


def test_symbols_are_one_token_each():
    names = [*symbols(300), *noise_symbols()]
    assert len(set(names)) == 300 + len(noise_symbols())
    assert all(len(text_ids(TOKENIZER, f" {name}")) == 1 for name in names)
    with pytest.raises(StreamError, match="ask for fewer"):
        symbols(1_000)


def test_noise_of_noisy_recall_is_as_much_as_asked():
    scene = find_task("noisy_recall").draw(np.random.default_rng(0), "test", 16, noisy=1.5)
    said = "".join(statement.pieces[0][1] for statement in scene.statements).split()
    assert sum(word in noise_symbols() for word in said) == 48 and len(said) == 80


@pytest.mark.parametrize("rule", range(8))
@pytest.mark.parametrize(("split", "n_fact"), [("train", 1_280), ("validation", 64), ("test", 1_280)])
def test_budget_asks_for_what_the_rule_says(rule, split, n_fact):
    scene = find_task("budget").draw(np.random.default_rng(rule), split, n_fact, rule=rule)
    attribute, adjectives = rule_of(rule)
    said = [statement.pieces[0][1] for statement in scene.statements]
    right = [attribute in text.lower() for text in said]
    near = [any(f" {adjective} " in text for adjective in adjectives) for text in said]
    relevant = [i for i in range(n_fact) if right[i] and near[i]]
    assert relevant == [query.support[0] for query in scene.queries] and len(relevant) == n_fact // 8
    assert sum(near) == 2 * n_fact // 8 and sum(right) == n_fact // 2  # neither feature alone decides
    assert len(said) == len(set(said)) == n_fact


def test_every_rule_is_another():
    rules = [rule_of(rule) for rule in range(8)]
    assert len(set(rules)) == 8
    assert all(a != b and not first & then for (a, first), (b, then) in pairwise(rules))


def test_every_key_of_a_split_can_have_a_near_duplicate():
    assert len(find_task("needle").draw(np.random.default_rng(0), "validation", 701, near=1.0).queries) == 701
