"""Slow readers that answer a task's questions from what a stream says, knowing nothing of the scene that it was laid out from.

A stream is read as a transcript: its text, with "<image 3>", "<audio 4>" and "<dna ACGT>" where images, sounds and strands stand.
"""

import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise, product
from types import ModuleType

import numpy as np

from memlens.streams import Scene, Stream
from memlens.streams.codecs import encode_audio, encode_image
from memlens.streams.facts import HELD_QUESTIONS, HELD_STATEMENTS, QUESTIONS, STATEMENTS
from memlens.streams.samples import SPEECH_RATE, digit_images, spoken_digits
from memlens.streams.symbols import symbols
from memlens.streams.tasks import cross, digits, entity, motif, spoken
from memlens.streams.words import SITES

PAIR = r"[a-z]+ [a-z]+"
PIECES = r"(?:\s*<[^>]+>)+"


@cache
def meaning(split: str) -> dict[bytes, str]:
    """What digit the payload of every image (at all scales) and sound of a split is."""
    found = {}
    for digit, scale in product(range(10), (1, 2, 4, 8)):
        for image in digit_images(split)[digit]:
            large = np.repeat(np.repeat(image, scale, 0), scale, 1)
            found[encode_image(large).payload.tobytes()] = str(digit)
    for digit in range(10):
        found |= {encode_audio(wave, SPEECH_RATE).payload.tobytes(): str(digit) for wave in spoken_digits(split)[digit]}
    return found


def said_by(scene: Scene, keep: tuple[int, ...]) -> Stream:
    """A stream of nothing but some statements."""
    stream = Stream()
    for i in keep:
        stream.say(scene.statements[i].pieces, fact=i)
    return stream


def transcript(stream: Stream, split: str) -> str:
    said = []
    for part in stream.parts:
        if part.kind == "text":
            said.append(part.text)
        elif part.kind == "dna":
            said.append(f" <dna {part.text}>")
        elif part.payload is not None:
            said.append(f" <{part.kind} {meaning(split)[part.payload.tobytes()]}>")
    return "".join(said)


def pattern(template: str, **parts: str) -> str:
    """A template as a regular expression: each {name} is a group of what it may be."""
    text = re.escape(template.strip()).replace(r"\ ", r"\s*" if "<" in "".join(parts.values()) else " ")
    for name, part in parts.items():
        text = text.replace(rf"\{{{name}\}}", f"(?P<{name}>{part})")
    return text


def cut_by(strand: str) -> list[str]:
    """Enzymes that cut a strand, in the order of their sites."""
    places = [(m.start(), name) for name, site in SITES.items() for m in re.finditer(f"(?={site})", strand)]
    return [name for _, name in sorted(places)]


def read(pieces: str) -> str:
    """What "<image 3> <image 4>" or "<dna ...>" stands for: "3 4", or the enzymes that cut it."""
    words = []
    for kind, value in re.findall(r"<(\w+) (\w+)>", pieces):
        words += cut_by(value) if kind == "dna" else [value]
    return " ".join(words)


def asked(question: str, templates: dict[str, tuple[str, ...]], **parts: str) -> tuple[str, dict[str, str]]:
    """Which kind of question it is, and what fills its template."""
    for kind, group in templates.items():
        for template in group:
            names = {name: part for name, part in parts.items() if "{" + name + "}" in template}
            match = re.fullmatch(pattern(template, **names), question)
            if match:
                return kind, match.groupdict()
    raise AssertionError(f"no template asks {question!r}")


def needle(text: str, question: str) -> str:
    """Also of rewrite, budget and slot_qa: what was said last of the key."""
    kind, filled = asked(question, {k: (*QUESTIONS[k], *HELD_QUESTIONS[k]) for k in QUESTIONS}, k=PAIR)
    value = {"access code": r"\d{3}", "pass phrase": PAIR}.get(kind, PIECES)
    found = []
    for template in (*STATEMENTS[kind], *HELD_STATEMENTS[kind]):
        for match in re.finditer(pattern(template, k=re.escape(filled["k"]), v=value), text):
            found.append((match.start(), match["v"]))
    last = max(found)[1]
    return read(last) if "<" in last else last


def entity_(text: str, question: str) -> str:
    """Replay the story; what an actor holds is where the actor is."""
    story = []
    for event, templates in entity.EVENTS.items():
        for template in templates:
            names = {n: PAIR if n != "p" else "[a-z]+" for n in "apo" if "{" + n + "}" in template}
            story += [(m.start(), event, m.groupdict()) for m in re.finditer(pattern(template, **names), text)]
    at: dict[str, str] = {}
    holder: dict[str, str] = {}
    path: dict[str, list[str]] = {}
    for _, event, names in sorted(story, key=lambda entry: entry[0]):
        actor = names["a"]
        if event == "move":
            at[actor] = names["p"]
        elif event == "take":
            holder[names["o"]] = actor
        else:
            holder.pop(names["o"], None)
            path.setdefault(names["o"], [at[actor]])
        for thing in holder:
            where = at.get(holder[thing])
            if where and path.setdefault(thing, [where])[-1] != where:
                path[thing].append(where)
    _, filled = asked(question, {str(k): v for k, v in entity.ASKED.items()}, a=PAIR, o=PAIR, p="[a-z]+")
    name = filled.get("a") or filled["o"]
    if "p" in filled:
        return [before for before, place in pairwise(path[name]) if place == filled["p"]][-1]
    return path[name][-1] if name in path else at[name]


def cross_(text: str, question: str) -> str:
    """Pairs of two things and one thing, in the order in which the template says them."""
    called = {m: (a,) for m, a in cross.CALLED.items()}
    kind, filled = asked(question, cross.ASKED, k=".*?")
    key_kind, names = asked(filled["k"], called, a=r"\w+", b=r"\w+")
    found = []
    for template in cross.STATEMENTS:
        for match in re.finditer(pattern(template, k=PIECES, v=PIECES), text):
            if f"<{key_kind} " in match["k"] and f"<{kind} " in match["v"]:
                found += [read(match["v"])] if read(match["k"]) == f"{names['a']} {names['b']}" else []
    [answer] = found
    return answer


def named(module: ModuleType) -> Callable[[str, str], str]:
    """Of digits and spoken: what stands after the name."""

    def solve(text: str, question: str) -> str:
        _, filled = asked(question, {"": module.ASKED}, k=PAIR)
        patterns = [pattern(t, k=re.escape(filled["k"])) + f"({PIECES})" for t in module.STATEMENTS]
        [found] = [match[2] for p in patterns for match in re.finditer(p, text)]
        return read(found)

    return solve


def motif_(text: str, question: str) -> str:
    """The one site that starts at most two bases after the end of the key's."""
    _, filled = asked(question, {"": motif.ASKED}, k=r"\w+")
    genome = "".join(re.findall(r"<dna (\w+)>", text))
    ends = [m.end() for m in re.finditer(SITES[filled["k"]], genome)]
    [found] = [name for end in ends for name, site in SITES.items() if site in genome[end : end + 8]]
    return found


def mqar(text: str, question: str) -> str:
    """Also of noisy_recall: the symbol after the only place of the key."""
    words = text.split()
    [at] = [i for i, word in enumerate(words) if word == question]
    return words[at + 1]


def content(text: str) -> list[str]:
    """The symbols that the tasks of mad draw from by default, in order."""
    return [word for word in text.split() if word in set(symbols(16))]


def copy(text: str, question: str) -> str:
    assert question == "copy"
    return " ".join(content(text))


def compress(text: str, question: str) -> str:
    return content(text)[int(question.removeprefix("symbol ")) - 1]


SOLVERS: dict[str, Callable[[str, str], str]] = {
    "needle": needle,
    "slot_qa": needle,
    "rewrite": needle,
    "entity": entity_,
    "cross": cross_,
    "digits": named(digits),
    "spoken": named(spoken),
    "motif": motif_,
    "mqar": mqar,
    "noisy_recall": mqar,
    "selective_copy": copy,
    "compress": compress,
    "budget": needle,
}


def keys_asked(templates: dict[str, tuple[str, ...]], *names: str, **parts: str) -> Callable[[Scene], set[str]]:
    """What fills ``names`` in the questions of a scene."""

    def identify(scene: Scene) -> set[str]:
        filled = [asked(query.text, templates, **parts)[1] for query in scene.queries]
        return {fill[name] for fill in filled for name in names if name in fill}

    return identify


def pairs_asked(scene: Scene) -> set[str]:
    return {f"{query.text}: {query.answer}" for query in scene.queries}


def cross_keys(scene: Scene) -> set[str]:
    """The key of each question as it is called."""
    return {re.split(" with ", query.text)[1] for query in scene.queries}


def motif_pairs(scene: Scene) -> set[str]:
    firsts = [asked(query.text, {"": motif.ASKED}, k=r"\w+")[1]["k"] for query in scene.queries]
    return {f"{first} {query.answer}" for first, query in zip(firsts, scene.queries, strict=True)}


_FACTS = keys_asked({k: (*QUESTIONS[k], *HELD_QUESTIONS[k]) for k in QUESTIONS}, "k", k=PAIR)
#: What identifies a fact of each task, or a scene: no two splits may share one.
IDENTITIES: dict[str, Callable[[Scene], set[str]]] = {
    **dict.fromkeys(("needle", "slot_qa", "rewrite", "budget"), _FACTS),
    "entity": keys_asked({str(k): v for k, v in entity.ASKED.items()}, "a", "o", a=PAIR, o=PAIR, p="[a-z]+"),
    "cross": cross_keys,
    "digits": keys_asked({"": digits.ASKED}, "k", k=PAIR),
    "spoken": keys_asked({"": spoken.ASKED}, "k", k=PAIR),
    "motif": motif_pairs,
    "mqar": pairs_asked,
    "noisy_recall": pairs_asked,
    "selective_copy": lambda scene: {scene.queries[0].answer},
    "compress": lambda scene: {" ".join(query.answer for query in scene.queries)},
}
