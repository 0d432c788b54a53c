"""Sequential digits: real images, shown in up to 64 positions each, classified from memory when they are asked for by name."""

import numpy as np

from memlens.dims import Modality
from memlens.streams.samples import digit_images
from memlens.streams.scene import Query, Scene, Statement
from memlens.streams.tasks.checks import check_enough, check_one_of, creatures, pick
from memlens.streams.tasks.task import Task

STATEMENTS = (" Picture {k}:", " This is the {k}:", " The picture of the {k}:", " The {k} shows")
ASKED = (
    "Which digit is in picture {k}?",
    "Which digit does the picture {k} show?",
    "For picture {k}, which digit is it?",
)


def digits_scene(rng: np.random.Generator, split: str, n_fact: int, scale: int = 1) -> Scene:
    """Images of handwritten digits, each after text that names it ("Picture amber fox:").

    Splits share no images and no names (colour and animal, by a hash of the pair).

    Parameters
    ----------
    rng : numpy.random.Generator
    split : {"train", "validation", "test"}
    n_fact : int
        Images.
    scale : {1, 2, 4, 8}
        How often each pixel of the 8 x 8 image is repeated along both sides: the image takes scale * scale positions, each one 8 x 8
        patch. At 8 a position is one pixel: sequential images, as in Le, Jaitly and Hinton (2015).

    Returns
    -------
    Scene

    Raises
    ------
    StreamError
        For another scale, or more images than the split has names.
    """
    check_one_of("scale", scale, (1, 2, 4, 8))
    check_enough(n_fact, len(creatures(split)), f"names in split '{split}'")
    pools = digit_images(split)
    statements, queries = [], []
    for i, name in enumerate(pick(rng, creatures(split), n_fact)):
        digit = int(rng.integers(10))
        image = pools[digit][int(rng.integers(len(pools[digit])))]
        text = STATEMENTS[int(rng.integers(len(STATEMENTS)))].format(k=name)
        large = np.kron(image, np.ones((scale, scale), dtype=np.float32))
        statements.append(Statement((("text", text), (Modality.IMAGE.name.lower(), large))))
        queries.append(Query(ASKED[int(rng.integers(len(ASKED)))].format(k=name), str(digit), (i,)))
    return Scene(tuple(statements), tuple(queries))


DIGITS = Task("digits", "real images of digits, classified from memory by name", digits_scene, 16_384, 32)
