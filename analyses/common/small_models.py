"""What the studies that train small models share: one config, its rivals at equal parameters, and how all are asked.

=========  ===============================================================================
kind       what
=========  ===============================================================================
memory     the memory model of the config
attention  plain attention over a window that holds the whole row and its question
ssm        state-space layers alone: a state of 64 and a short convolution in every layer
=========  ===============================================================================

All are trained by ``memlens.training.fit`` with the same optimiser, steps and curriculum; the rows of a batch follow from seed, step
and stage, so that two architectures in the same stage learn from the same rows. A config of configs/ is the memory model's.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from analyses.common.provenance import digest, fingerprint, sources
from analyses.common.results import ROOT
from analyses.common.runner import Run
from memlens.figures.style import ACTION_COLOUR
from memlens.stats.bootstrap import Interval, by_seed, nested_bootstrap

if TYPE_CHECKING:
    from memlens.config import BaselineConfig, ModelConfig, TrainConfig
    from memlens.model import MemoryModel
    from memlens.model.baseline import StreamReader

Kind = Literal["memory", "attention", "ssm"]
KINDS: tuple[Kind, ...] = ("memory", "attention", "ssm")
NAMES: dict[Kind, str] = {"memory": "memory", "attention": "attention", "ssm": "state space"}
COLOUR: dict[Kind, str] = dict(zip(KINDS, (ACTION_COLOUR[a] for a in ("STORE", "DISCARD", "RETRIEVE")), strict=True))
CONFIGS = ROOT / "analyses" / "configs"
#: Parts of the package that a trained model follows from.
TRAINS = ("config", "model", "streams", "training")
#: Layers of the rivals.
N_LAYERS = 2
#: Streams that are asked side by side: long ones fill attention's cache.
AT_ONCE = 16


# configs


def load(name: str) -> "TrainConfig":
    """The training config configs/``name``.toml."""
    from memlens.config import TrainConfig

    return TrainConfig.load(CONFIGS / f"{name}.toml")


def changed(config: "TrainConfig", model: Mapping[str, Any] | None = None, **values: Any) -> "TrainConfig":
    """A config with other values, of its model too; ConfigError where these do not fit."""
    whole = config.model_dump() | values
    if model is not None:
        whole["model"] = config.model.model_dump() | dict(model)
    return type(config).parse(whole, where="changed")


def parameters(cfg: "ModelConfig | BaselineConfig") -> int:
    """Parameters of a model of these sizes; none is allocated."""
    import torch

    from memlens.config import BaselineConfig
    from memlens.model import MemoryModel
    from memlens.model.baseline import count_parameters

    if isinstance(cfg, BaselineConfig):
        return count_parameters(cfg)
    with torch.device("meta"):
        return sum(p.numel() for p in MemoryModel(cfg).parameters())


def longest(config: "TrainConfig") -> int:
    """Positions of the longest row, its question, its answer and <bos>."""
    return max(stage.n_token for stage in config.stages) + config.model.max_question + config.model.max_answer + 1


def of_kind(config: "TrainConfig", kind: Kind) -> "TrainConfig":
    """The same training of another architecture, of as many parameters within 5 %."""
    from memlens.model.baseline import equal_config

    if kind == "memory":
        return config
    model = config.model
    fixed: dict[str, Any] = {
        "n_layers": N_LAYERS,
        **{key: getattr(model, key) for key in ("vocab_size", "segment_length", "max_question", "max_answer")},
        **({"window": longest(config)} if kind == "attention" else {}),
    }
    baseline = equal_config(kind, parameters(model), **fixed)
    alike = config.model_dump(exclude={"model", "q", "alternations", "last_share"})
    return type(config).parse(alike | {"baseline": baseline.model_dump()}, where=f"of_kind {kind}")


def sizes(config: "TrainConfig", kinds: Iterable[Kind] = KINDS) -> dict[str, int]:
    """Parameters of each kind."""
    made = {kind: of_kind(config, kind) for kind in kinds}
    return {kind: parameters(c.baseline or c.model) for kind, c in made.items()}


# what is measured


def begin(run: Run, config: Mapping[str, Any]) -> None:
    """Start a study that trains: its rows are of these settings and of the code that makes, trains and asks models, and of no other."""
    package = ROOT / "memlens"
    trains = [path for part in TRAINS for path in (package / part).rglob("*.py")]
    source = [
        *trains,
        package / "dims.py",
        ROOT / "analyses" / "common" / "small_models.py",
        *sources(run.study),
    ]
    run.begin(config, {"settings": fingerprint(config), "source of models and training": digest(source)})


def trained(config: "TrainConfig") -> "tuple[MemoryModel | StreamReader, dict[str, Any], list[dict[str, float]]]":
    """A model trained in memory, and what the run was like.

    Returns
    -------
    The model; ``parameters``, ``seconds`` and ``cpu`` of training, the last ``stage``, and ``exact``, the moving average of training
    answers that were exact; and the rows of figures that training logged.
    """
    from memlens.training.train import fit

    wall, cpu = time.perf_counter(), time.process_time()
    model, rows = fit(config)
    return (
        model,
        {
            "parameters": sum(p.numel() for p in model.parameters()),
            "seconds": round(time.perf_counter() - wall, 1),
            "cpu": round(time.process_time() - cpu, 1),
            "stage": int(rows[-1]["stage"]),
            "exact": rows[-1]["exact_mean"],
        },
        rows,
    )


def widened(model: "MemoryModel | StreamReader", n_token: int) -> "MemoryModel | StreamReader":
    """Attention with the same weights and a window for a longer stream; other models as they are."""
    from memlens.model.baseline import StreamReader

    if not isinstance(model, StreamReader) or model.cfg.kind != "attention":
        return model
    c = model.cfg
    wide = StreamReader(
        c.model_copy(update={"window": max(c.window, n_token + c.max_question + c.max_answer + 1)}),
        model.tokenizer,
        model.name,
    )
    wide.load_state_dict(model.state_dict())
    return wide.eval()


def ask(
    model: "MemoryModel | StreamReader", n_stream: int, n_token: int, n_fact: int, task: str = "mqar", **options: Any
) -> dict[str, Any]:
    """Ask a model everything that test streams of a task ask.

    Returns
    -------
    ``n`` questions, ``accuracy`` (exact, decoded greedily), ``loss`` (nats per answer token), and ``right``, a 0 or 1 for each question,
    stream after stream: the same questions in the same order for every model.
    """
    from memlens.training.evaluate import evaluate

    rows = []
    for first in range(0, n_stream, AT_ONCE):
        seeds = range(first, min(first + AT_ONCE, n_stream))
        rows += evaluate(model, task, n_token=n_token, seeds=seeds, options={"n_fact": n_fact, **options}).questions
    rows.sort(key=lambda row: (row.seed, row.number))
    return {
        "n": len(rows),
        "accuracy": sum(row.correct for row in rows) / len(rows),
        "loss": sum(row.loss for row in rows) / len(rows),
        "right": "".join(str(int(row.correct)) for row in rows),
    }


def over_seeds(rows: Iterable[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], float]) -> Interval:
    """The mean of a value over rows, with its interval over training seeds."""
    return nested_bootstrap(by_seed([{"seed": row["seed"], "value": value(row)} for row in rows], "value"))


def flags(right: str) -> list[int]:
    """The answers of ``ask``, one by one."""
    return [int(digit) for digit in right]
