"""Positives differ in context, negatives in the class alone as far as the captures allow."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.face.data import Manifest
from sterling.face.pad.networks.ccl import ASPECTS, contexts_of, draw_pairs


@given(st.integers(0, 10_000), st.integers(2, 30))
def test_positives_share_the_class_and_negatives_the_context(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    contexts = torch.from_numpy(rng.integers(0, 3, (n, 3)))
    live = torch.from_numpy(rng.random(n) < 0.5)
    live[:2] = torch.tensor([True, False])
    anchors = torch.arange(n)
    generator = torch.Generator().manual_seed(seed)
    positives, negatives = draw_pairs(contexts, live, anchors, generator)
    assert torch.equal(live[positives], live)
    assert torch.equal(live[negatives], ~live)
    for anchor, positive, negative in zip(anchors, positives, negatives, strict=True):
        same = live == live[anchor]
        differs = same & (contexts != contexts[anchor]).any(dim=1)
        assert differs[positive] if bool(differs.any()) else positive == anchor
        common = (contexts == contexts[anchor]).sum(dim=1)
        assert common[negative] == common[~same].max()


def test_the_counterpart_of_the_other_class_is_found() -> None:
    contexts = torch.cartesian_prod(*[torch.arange(3)] * 3).repeat(2, 1)
    live = torch.arange(54) < 27
    anchors = torch.arange(54)
    _, negatives = draw_pairs(contexts, live, anchors, torch.Generator().manual_seed(0))
    assert torch.equal(negatives, (anchors + 27) % 54)


def test_pairs_are_drawn_anew_and_repeatably() -> None:
    contexts, live = torch.arange(40)[:, None] % 4, torch.arange(40) < 20
    anchors = torch.arange(40)

    def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        return draw_pairs(contexts, live, anchors, torch.Generator().manual_seed(seed))

    assert torch.equal(drawn(1)[0], drawn(1)[0])
    assert not torch.equal(drawn(1)[0], drawn(2)[0])
    assert len(set(drawn(1)[1].tolist())) > 10


def test_unknown_values_are_equal_to_none() -> None:
    manifest = Manifest.from_columns(
        {
            "item": ["a", "b", "c", "d"],
            "label": ["bona_fide", "attack", "attack", "bona_fide"],
            "species": ["bona_fide", "print", "print", "bona_fide"],
            "subject": ["1", "1", "", ""],
        }
    )
    contexts = contexts_of(manifest)
    assert contexts.shape == (4, len(ASPECTS))
    subject = contexts[:, ASPECTS.index("subject")]
    assert subject[0] == subject[1]
    assert len(set(subject.tolist())) == 3


def test_one_class_makes_no_pairs() -> None:
    with pytest.raises(InputError, match="one of them is missing"):
        draw_pairs(
            torch.zeros(3, 1), torch.ones(3, dtype=torch.bool), torch.arange(3), torch.Generator()
        )
