"""A memory of few lines obeys the contract by what it stores; messages of broken laws name an ability."""

from __future__ import annotations

import pytest
import torch

from lior.interfaces import Abilities, Evidence
from lior.model import memories
from lior.testing import run_suite

pytestmark = pytest.mark.slow
ABLE = Abilities(geometry=True, coordinates=True, sums=True)


class Centroids:
    """One centroid for each token: the nearer a query is to it, the likelier is the token."""

    api_version = 2
    abilities = ABLE

    def __init__(self):
        self.restore({})

    def learn(self, batch):
        for items in batch:
            tokens = items.text.tokens[items.start :]
            columns = torch.cat([items.z, torch.ones(len(tokens), 1)], 1)
            if not len(self.sums):
                self.sums = torch.zeros(256, columns.shape[1])
            self.sums = self.sums.index_add(0, tokens, columns)

    def predict(self, query, alphabet):
        rows = len(query.positions)
        if not len(self.sums) or not (count := self.sums[alphabet, -1]).any():
            return Evidence(torch.full((rows, 1, len(alphabet)), 1 / len(alphabet)).log())
        centres = self.sums[alphabet, :-1] / count.clamp(min=1)[:, None]
        scores = -(query.z[:, None] - centres).square().sum(2) + (count + 1e-6).log()
        return Evidence(torch.log_softmax(scores.clamp(min=-60), 1)[:, None])

    def snapshot(self):
        return {"sums": self.sums}

    def restore(self, snapshot):
        self.sums = snapshot.get("sums", torch.zeros(0, 0))


def test_a_memory_of_centroids_is_right():
    assert run_suite("memory", Centroids) == []


class Forgetful(Centroids):
    def restore(self, snapshot):
        if snapshot or not hasattr(self, "sums"):
            super().restore(snapshot)


class Unread(Centroids):
    def predict(self, query, alphabet):
        return Evidence(torch.full((len(query.positions), 1, len(alphabet)), 1 / len(alphabet)).log())


class Exact(Centroids):
    abilities = ABLE._replace(sums=False)


class Gated(Centroids):
    abilities = ABLE._replace(gates=(3,))


@pytest.mark.parametrize(
    ("broken", "law", "ability"),
    [
        (Forgetful, "test_what_is_forgotten_leaves_no_trace", "forget: "),
        (Unread, "test_what_was_learned_is_likelier", "predict: mean probability of the learned tokens"),
        (Exact, "test_the_order_does_not_matter", "learn: "),
        (Gated, "test_evidence_has_the_promised_form", "predict: as many gates as in abilities.gates"),
    ],
)
def test_the_message_of_a_broken_law_names_the_ability(broken, law, ability):
    failures = {each.test: each.message for each in run_suite("memory", broken)}
    assert failures[law].startswith(f"AssertionError: {ability}")


def test_what_a_memory_lacks_has_a_plain_way():
    memory = Centroids()
    assert memories.fitted({"m": memory}) == memories.streaming({"m": memory}) == {}
    assert memories.trial(memory, geometry=True) is None
