"""Write the README's results block from what is kept beside the shipped models and under analyses/results.

    python -m analyses.publish.readme_results

tests/test_docs.py checks that the block is what this script would write.
"""

import json
from collections.abc import Mapping
from typing import Any

from analyses.common.results import ROOT, kept

BEGIN, END = "<!-- results -->", "<!-- /results -->"
MODELS = ("nano", "base")
COST = "constant_cost"


def block() -> str:
    """The block, without its markers."""
    told = {
        name: json.loads((ROOT / "trained_models" / name / "metrics.json").read_text(encoding="utf-8"))
        for name in MODELS
    }
    cost = kept(COST)
    assert cost is not None
    shortest, longest = min(cost["summary"], key=int), max(cost["summary"], key=int)
    far = cost["summary"][longest]
    first = told[MODELS[0]]
    seeds = " ".join(map(str, first["card_seeds"]))
    learned = {name: [row for row in told[name]["recall"] if row["policy"] == "learned"] for name in MODELS}
    return "\n".join([
        *(f"- {made(name, told[name])}" for name in MODELS),
        "",
        f"On built-in test streams of {first['card_tokens']:,} positions (seeds {seeds}; every fact asked for once), share of questions",
        "answered exactly, with Wilson 95 % intervals:",
        "",
        f"| asked for | n | {' | '.join(MODELS)} |",
        f"|---|---|{'---|' * len(MODELS)}",
        *(
            f"| {rows[0]['modality']} | {rows[0]['n']} | {' | '.join(map(exact, rows))} |"
            for rows in zip(*learned.values(), strict=True)
        ),
        "",
        *(f"- {ahead(name, told[name])}" for name in MODELS),
        "",
        f"From {int(shortest):,} to {int(longest):,} tokens the time per token of `nano` changes by a factor of {far['time_ratio']:.3f}",
        f"and peak memory by {far['memory_ratio']:.3f}",
        f"([how](analyses/{COST}/study.py), [runs](analyses/results/{COST}/result.json)).",
    ])  # fmt: skip


def made(name: str, metrics: Mapping[str, Any]) -> str:
    """A model's size and training."""
    where = "on one CPU thread" if metrics["machine"].endswith("CPU") else "on a GPU"
    return f"`{name}` has {metrics['parameters']:,} parameters and was trained {where} ([how](trained_models/{name}/README.md))."


def exact(row: Mapping[str, Any]) -> str:
    """A share with its interval."""
    return f"{row['exact']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def ahead(name: str, metrics: Mapping[str, Any]) -> str:
    """The learned policy against the best heuristic."""
    others = [row for row in metrics["recall"] if row["modality"] == "all" and row["policy"] != "learned"]
    best = max(others, key=lambda row: row["exact"])
    return (
        f"`{name}`: the best heuristic policy on the same weights and streams, `{best['policy']}`, answers {best['exact']:.3f};\n"
        f"  the learned one is ahead by {best['behind']:.3f} (paired bootstrap, 95 %: {best['behind_low']:.3f} to "
        f"{best['behind_high']:.3f}). All policies: [model card](trained_models/{name}/README.md)."
    )


def main() -> None:
    """Put the block between its markers."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{block()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
