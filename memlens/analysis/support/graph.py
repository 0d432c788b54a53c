"""The lineage as a graph, for walking: what came from what, and what became of it."""

from typing import TYPE_CHECKING

import numpy as np

from memlens.analysis.support.ancestry import Ancestry
from memlens.analysis.support.result import ACTIONS
from memlens.errors import AnalysisError

if TYPE_CHECKING:
    import networkx as nx

    from memlens.recording.protocol import RecordingLike


def lineage_graph(recording: "RecordingLike", *, sequence: int = 0, tokens: bool = False) -> "nx.DiGraph":
    """Everything of one sequence from source tokens over entries to answers; edges point forward in time.

    ``networkx.ancestors(graph, node)`` and ``networkx.descendants(graph, node)`` answer what anything came from and went into.

    Parameters
    ----------
    recording : Recording
        With entries and questions.
    sequence : int
        Which stream.
    tokens : bool
        Also give a node to each stream position that a slot was written from; needs ``context.hook_pattern``.

    Returns
    -------
    networkx.DiGraph
        Nodes ``("token", position)``, ``("entry", id)`` with ``level``, ``born``, ``died`` (-1 alive), ``fate`` (an action's name, or
        "alive") and ``slot`` (-1 a merge), and ``("question", row)`` with ``correct``. Edges have a ``kind`` and a ``share`` of the
        thing they point at: "written" (write attention), "merged" (parents count alike), "read" (read weight), and "renewed" (share 0:
        the new entry took the old one's place, not its content).

    Raises
    ------
    AnalysisError
        When there is no such sequence.
    RecordingError
        When ``tokens`` are asked for and the write attention was not recorded.
    """
    import networkx as nx

    n = recording.segments.sizes["sequence"]
    if not 0 <= sequence < n:
        raise AnalysisError(f"sequence is {sequence}; this recording has 0 to {n - 1}")
    ancestry = Ancestry(recording)
    own = np.flatnonzero(ancestry.columns["sequence"] == sequence)
    ids = ancestry.columns["entry"]
    graph = nx.DiGraph()
    values = [ancestry.columns[name][own].tolist() for name in ("entry", "level", "segment", "died", "fate", "slot")]
    for entry, level, born, died, fate, slot in zip(*values, strict=True):
        name = ACTIONS[fate] if fate >= 0 else "alive"
        graph.add_node(("entry", entry), level=level, born=born, died=died, fate=name, slot=slot)
    for row in own:
        parents = ancestry.parent[row][ancestry.parent[row] >= 0]
        kind, share = ("renewed", 0.0) if ancestry.fresh[row] else ("merged", 1 / max(parents.size, 1))
        for parent in parents:
            graph.add_edge(("entry", int(ids[parent])), ("entry", int(ids[row])), kind=kind, share=share)
    correct = recording.tables.questions.correct
    reads = ancestry.reads().tocoo()
    for question in np.flatnonzero(recording.tables.questions.sequence == sequence):
        graph.add_node(("question", int(question)), correct=bool(correct[question]))
    for question, row, weight in zip(*reads.coords, reads.data, strict=True):
        if ancestry.columns["sequence"][row] == sequence:
            graph.add_edge(("entry", int(ids[row])), ("question", int(question)), kind="read", share=float(weight))
    if tokens:
        fresh = own[ancestry.fresh[own]]
        for row, places, shares in zip(fresh, *ancestry.writes(fresh), strict=True):
            for place, part in zip(places.tolist(), shares.tolist(), strict=True):
                if part > 0:
                    graph.add_edge(("token", place), ("entry", int(ids[row])), kind="written", share=part)
    return graph
