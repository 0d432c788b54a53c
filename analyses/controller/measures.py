"""What the controller's study measures: a setting is learned from nothing, measured, and learned again under another rule.

Recall is a list of shares, one a test sequence, for each policy: the heuristics, "learned", "oracle" and "shuffled".
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from analyses.common.recall import seeds_of
from memlens.config import QConfig, StreamConfig
from memlens.dims import Action
from memlens.model import MemoryModel, run
from memlens.model.controller import HEURISTICS, Controller, QNetwork
from memlens.model.run import Steps, encode_questions
from memlens.model.segment import Segment
from memlens.stats.correlation import rank_correlation
from memlens.streams import EncodedStream
from memlens.streams.registry import builtin_stream
from memlens.training import bandit_budget
from memlens.training.entry_value import leave_one_out
from memlens.training.oracle import Oracle, Shuffled
from memlens.training.q_learning import QLog, q_values, returns
from memlens.training.q_phase import collect, learn_control, with_capacities

Say = Callable[[str], None]
Recall = dict[str, list[float]]
#: Entry values below this count as none, nats: what is left of an entry that was hardly read.
LEAST_VALUE = 0.01
#: Decisions of a log that a correlation rests on.
MOST_DECISIONS = 20_000


class Alone:
    """The budget task by itself."""

    n_candidate, n_relevant = 64, 8

    def __init__(self, quick: bool):
        self.learning = QConfig(
            rounds=6, monte_carlo=2, behaviour="random", n_stream=32 if quick else 256, epsilon=0.3, epsilon_last=0.05,
            n_step=3, gamma=0.99, steps=100 if quick else 300, batch=512 if quick else 2048, refresh=50,
            soft_target=0.02, content_noise=0.5, learning_rate=3e-3, check=50,
        )  # fmt: skip
        self.again = self.learning.model_copy(update={"n_stream": 8})
        self.n_test = 64 if quick else 512

    def config(self) -> dict[str, Any]:
        """What the rows depend on."""
        return {
            "candidates": self.n_candidate, "relevant": self.n_relevant, "capacities": bandit_budget.CFG.capacities, "test": self.n_test,
            "learning": self.learning.model_dump(mode="json"), "again": self.again.model_dump(mode="json"),
        }  # fmt: skip

    def measure(self, seed: int, say: Say) -> dict[str, Any]:
        """All that is measured of one seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            generator = torch.Generator().manual_seed(seed)
            controller = Controller(bandit_budget.CFG)
            rule, other = seed % bandit_budget.RULES, (seed + 5) % bandit_budget.RULES
            c, n = self.learning, self.n_candidate
            told = bandit_budget.learn_bandit(controller, c, rule, n, generator, self.n_relevant)
            say(f"alone, seed {seed}: validation {told[-1]['exact_validation']:.3f}")
            test = bandit_budget.draw_candidates(self.n_test, n, self.n_relevant, rule, generator)
            recall = self.recall(controller, test, generator)
            played = bandit_budget.play(controller, test, c, generator)
            gain = played.q[..., Action.STORE] - played.q[..., Action.DISCARD]
            found = {
                "learning": told, "recall": recall, "actions": actions(played.log),
                "worth": value_correlation(gain.flatten(), test.relevant.float().flatten()),
                "returns": return_correlation(played.log, controller.q_network, c.gamma),
            }  # fmt: skip
            longer = bandit_budget.draw_candidates(self.n_test, 2 * n, self.n_relevant, other, generator)
            before = self.recall(controller, longer, generator)
            again = bandit_budget.learn_bandit(controller, self.again, other, 2 * n, generator, self.n_relevant)
            changed = {**before, "before": before["learned"], **self.recall(controller, longer, generator)}
        return {**found, "changed": changed, "again": again, "episodes": episodes(self.again, self.again.n_stream)}

    def recall(self, controller: Controller, test: bandit_budget.Candidates, generator: torch.Generator) -> Recall:
        """Share of the relevant ones that are held at the end of each sequence."""
        found = {}
        for name in (*HEURISTICS, "learned", "oracle", "shuffled"):
            controller.policy = name if name in HEURISTICS else "learned"
            played = bandit_budget.play(
                controller, test, self.learning, generator, oracle=name == "oracle", shuffled=name == "shuffled"
            )
            held = (played.held & test.relevant).sum(1) / test.relevant.sum(1)
            found[name] = [round(float(x), 4) for x in held]
        controller.policy = "learned"
        return found


class Inside:
    """Task ``budget`` in the model, its store cut down."""

    capacities = (16, 4, 2)

    def __init__(self, model: MemoryModel, quick: bool):
        self.model = model
        self.n_fact, self.n_token = (128, 4096)
        self.n_test, self.n_valued = (3, 2) if quick else (32, 16)
        self.learning = QConfig(
            rounds=2 if quick else 6, monte_carlo=1 if quick else 3, n_stream=6 if quick else 64, n_token=self.n_token,
            n_validation=2 if quick else 16, room=16, n_step=4, epsilon=0.2, epsilon_last=0.05, batch=1024,
            steps=40 if quick else 600, content_noise=0.3, learning_rate=3e-3, check=40 if quick else 300,
        )  # fmt: skip
        self.again = self.learning.model_copy(
            update={"n_token": 2 * self.n_token, "n_stream": 2 if quick else 16, "n_validation": 1 if quick else 8}
        )

    def config(self) -> dict[str, Any]:
        """What the rows depend on."""
        return {
            "candidates": self.n_fact, "capacities": self.capacities, "test": self.n_test, "of_worth": self.n_valued,
            "learning": self.learning.model_dump(mode="json"), "again": self.again.model_dump(mode="json"),
            "model": self.model.cfg.model_dump(mode="json"),
        }  # fmt: skip

    def tasks(self, rule: int) -> tuple[StreamConfig, ...]:
        """What is read under a rule."""
        return (StreamConfig(name="budget", options={"n_fact": self.n_fact, "rule": rule}),)

    def streams(self, model: MemoryModel, seed: int, n: int, rule: int, n_token: int) -> list[EncodedStream]:
        """Test streams; those of another seed are others."""
        options: dict[str, Any] = self.tasks(rule)[0].options
        return [
            builtin_stream("budget", n_token=n_token, seed=i, split="test", **options).encode(model.tokenizer)
            for i in seeds_of(seed, n)
        ]

    def measure(self, seed: int, say: Say) -> dict[str, Any]:
        """All that is measured of one seed."""
        model = with_capacities(self.model, self.capacities)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = QNetwork(model.cfg)
        model.controller.q_network.load_state_dict(fresh.state_dict())
        rule, other = seed % 8, (seed + 1) % 8
        c = self.learning.model_copy(update={"tasks": self.tasks(rule)})
        told = learn_control(model, c, [seed, 0], lambda done, n, what: say(f"inside, seed {seed}: {what}"))
        model.eval()
        test = self.streams(model, seed, self.n_test, rule, self.n_token)
        recall = self.recall(model, test)
        log = collect(model, test, c, 0.0, torch.Generator().manual_seed(seed))
        found = {
            "learning": told, "recall": recall, "actions": actions(log), "worth": self.entry_value(model, test[: self.n_valued]),
            "returns": return_correlation(log, model.controller.q_network, c.gamma),
        }  # fmt: skip
        longer = self.streams(model, seed, self.n_test, other, 2 * self.n_token)
        before = self.recall(model, longer)
        c = self.again.model_copy(update={"tasks": self.tasks(other)})
        again = learn_control(model, c, [seed, 1], lambda done, n, what: say(f"inside, seed {seed}, new rule: {what}"))
        model.eval()
        after = recalled(model, longer)
        changed = {**before, "before": before["learned"], "learned": after}
        return {**found, "changed": changed, "again": again, "episodes": episodes(c, c.n_validation)}

    def recall(self, model: MemoryModel, streams: list[EncodedStream]) -> Recall:
        """Share of the questions of each stream that are answered exactly."""
        found = {}
        for name in HEURISTICS:
            model.controller.policy = name
            found[name] = recalled(model, streams)
        model.controller.policy = "learned"
        readers: dict[str, Steps[Any]] = {
            "learned": model, "oracle": Oracle(model, streams), "shuffled": Shuffled(model)
        }  # fmt: skip
        return {**found, **{name: recalled(reader, streams) for name, reader in readers.items()}}

    def entry_value(self, model: MemoryModel, streams: list[EncodedStream]) -> dict[str, Any]:
        """Q's advantage of entries before anything was asked, and what leaving them out costs then.

        In a store with room for all, under the policy "importance": there what is worthless is held too. Of the entries of level 0 that
        hold a candidate whole.
        """
        wide = with_capacities(model, tuple(self.learning.room * capacity for capacity in self.capacities))
        wide.controller.policy = "importance"
        gain, value = [], []
        latest, state = None, wide.initial_state(len(streams))
        spans = torch.tensor([[stream.facts[i][1:] for i in range(self.n_fact)] for stream in streams])
        for result in run(wide, streams, predict=False):
            before, state = state, result.state
            answers, decisions = result.outputs.answers, result.outputs.decisions
            if answers is not None and latest is not None:
                with torch.no_grad():
                    found = entry_values(wide, result, before)
                held = before.store
                whole = (held.start[..., None] <= spans[:, None, :, 0]) & (held.end[..., None] >= spans[:, None, :, 1])
                candidate = whole.any(-1) & held.valid & (wide.entry_level == 0)
                gain.append(latest[candidate])
                value.append(found[candidate])
            with torch.no_grad():
                q = wide.controller.q_network(
                    decisions.control, torch.cat((result.outputs.slot, before.store.content), 1)
                )
            advantage = q[..., Action.STORE] - q[..., [Action.COMPRESS, Action.DISCARD]].amax(-1)
            landed = torch.where(decisions.destination >= 0, decisions.destination, len(wide.entry_level))
            latest = torch.zeros(len(streams), len(wide.entry_level) + 1).scatter(1, landed, advantage)[:, :-1]
        return value_correlation(torch.cat(gain), torch.cat(value))


def entry_values(model: MemoryModel, result: Any, before: Any) -> Tensor:
    """Leave-one-out value of the store's entries at the questions of a segment that is run again from ``before``, [sequence, entry]."""
    questions = encode_questions(model, result.asked)
    assert questions is not None
    _, context, _ = model.perceive(Segment.stack(result.rows), before)
    memory = model.memory(model.candidates(context, before), before)
    found = leave_one_out(model, questions, memory, result.outputs.answers)
    return found[:, model.cfg.n_slots + model.cfg.working_slots :]


def recalled(model: Steps[Any], streams: list[EncodedStream]) -> list[float]:
    """Share of the questions of each stream that are answered exactly."""
    right = np.zeros(len(streams))
    for result in run(model, streams, predict=False):
        if result.outputs.answers is not None:
            right += result.outputs.answers.correct.sum(1).numpy()
    return [round(float(n) / len(stream.questions), 4) for n, stream in zip(right, streams, strict=True)]


def episodes(config: QConfig, n_validation: int) -> dict[str, int]:
    """Sequences that were learned on, and those that told which Q to keep."""
    return {"learned": config.rounds * config.n_stream, "validation": n_validation}


def actions(log: QLog) -> dict[str, Any]:
    """Frequencies of the actions done, in the order of ``Action``, and their entropy in nats: of candidates, and of residents."""
    candidate = (torch.arange(log.action.shape[-1]) < log.n_candidates).expand_as(log.action)
    found = {}
    for name, group in (("candidate", candidate), ("resident", ~candidate)):
        count = torch.bincount(log.action[log.live & group], minlength=len(Action)).double()
        share = count / count.sum()
        entropy = -(share * share.clamp_min(1e-12).log()).sum()
        found[name] = {"share": [round(float(x), 4) for x in share], "entropy": round(float(entropy), 4)}
    return found


def value_correlation(gain: Tensor, value: Tensor) -> dict[str, float]:
    """Spearman's correlation of the advantage of keeping entries with their value, and the highest that any score without ties could have.

    Most candidates have no value at all: however a score orders those, its ranks differ where those of the value do not.

    Parameters
    ----------
    gain, value : float [entry]
        Of the same entries; nats.

    Returns
    -------
    ``spearman``, its ``ceiling``, ``n`` entries, and the share that is ``worthless``.
    """
    value = torch.where(value.abs() < LEAST_VALUE, 0.0, value)
    best = rank_correlation(rankdata(value.numpy(), method="ordinal"), value.numpy())
    found = rank_correlation(gain.numpy(), value.numpy())
    return {
        "spearman": found,
        "ceiling": best,
        "n": len(value),
        "worthless": float((value == 0).double().mean()),
    }


def return_correlation(log: QLog, network: QNetwork, gamma: float) -> dict[str, float]:
    """Pearson's and Spearman's correlation of Q of what was done with the Monte-Carlo return, over decisions drawn at random."""
    some = log.live.clone()
    some[-1] = False
    q = q_values(log, network).gather(-1, log.action[..., None]).squeeze(-1)[some]
    total = returns(log, gamma)[some]
    index = torch.randperm(len(q), generator=torch.Generator().manual_seed(0))[:MOST_DECISIONS]
    a, b = q[index].numpy(), total[index].numpy()
    return {
        "pearson": float(np.corrcoef(a, b)[0, 1]), "spearman": rank_correlation(a, b),
        "mean_q": float(a.mean()), "mean_return": float(b.mean()), "n": len(a),
    }  # fmt: skip
