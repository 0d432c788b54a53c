"""Write the README's results block from what is kept beside the shipped model and under analyses/results.

    python analyses/readme_results.py

tests/test_docs.py checks that the block is what this script would write.
"""

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- results -->", "<!-- /results -->"


def block() -> str:
    """The block, without its markers."""
    metrics = json.loads((ROOT / "trained_models/nano/metrics.json").read_text(encoding="utf-8"))
    cost = json.loads((ROOT / "analyses/results/constant_cost.json").read_text(encoding="utf-8"))
    learned = [row for row in metrics["recall"] if row["policy"] == "learned"]
    others = [row for row in metrics["recall"] if row["modality"] == "all" and row["policy"] != "learned"]
    best = max(others, key=lambda row: row["exact"])
    shortest, longest = min(cost["summary"], key=int), max(cost["summary"], key=int)
    far = cost["summary"][longest]
    seeds = " ".join(map(str, metrics["card_seeds"]))
    return "\n".join([
        f"`nano` has {metrics['parameters']:,} parameters. It was trained in {metrics['train_seconds'] / 60:.0f} minutes on "
        f"{metrics['threads']} CPU thread. On built-in test streams of {metrics['card_tokens']:,}",
        f"positions (seeds {seeds}; every fact asked for once), share of questions answered exactly, with Wilson",
        "95 % intervals:",
        "",
        "| asked for | n | exact | 95 % |",
        "|---|---|---|---|",
        *(f"| {r['modality']} | {r['n']} | {r['exact']:.3f} | {r['low']:.3f} to {r['high']:.3f} |" for r in learned),
        "",
        f"The best heuristic policy on the same weights and streams, `{best['policy']}`, answers {best['exact']:.3f};",
        f"the learned one is ahead by {best['behind']:.3f} (paired bootstrap, 95 %: {best['behind_low']:.3f} to",
        f"{best['behind_high']:.3f}). All policies: [model card](trained_models/nano/README.md).",
        "",
        f"From {int(shortest):,} to {int(longest):,} tokens the time per token changes by a factor of {far['time_ratio']:.3f}",
        f"and peak memory by {far['memory_ratio']:.3f}",
        "([how](analyses/constant_cost.py), [runs](analyses/results/constant_cost.json)).",
    ])  # fmt: skip


def main() -> None:
    """Put the block between its markers."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{block()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
