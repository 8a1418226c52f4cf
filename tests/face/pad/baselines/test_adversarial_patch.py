"""A patch raises the score it was made for, and only behind the switch."""

import pytest
import torch

from sterling.errors import InputError
from sterling.face.pad import CDCN, Network, normalise
from sterling.face.pad.baselines.adversarial_patch import adversarial_patch, paste


def attacks(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator)


def score(network: Network, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network.liveness(network(normalise(images)))


def test_it_raises_scores_of_pictures_it_has_not_seen_more_than_noise_does() -> None:
    network = CDCN(width=4, seed=0).eval()
    patch = adversarial_patch(network, attacks(24, 1), 12, research_use=True, steps=30)
    fresh = attacks(24, 2)
    noise = attacks(1, 3)[0, :, :12, :12]
    gain = score(network, paste(fresh, patch, seed=5)) - score(network, paste(fresh, noise, seed=5))
    assert gain.mean() > 0
    assert (gain > 0).float().mean() > 0.9
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_patch_is_pasted_whole_and_nowhere_else() -> None:
    images, patch = attacks(8, 1), torch.zeros(3, 10, 10, dtype=torch.uint8)
    pasted = paste(images, patch, seed=0)
    changed = (pasted != images).any(dim=1)
    assert (pasted == 0).all(dim=1).flatten(1).sum(dim=1).min() >= 100
    for one in changed:
        rows, columns = one.any(dim=1).nonzero().flatten(), one.any(dim=0).nonzero().flatten()
        assert rows[-1] - rows[0] < 10
        assert columns[-1] - columns[0] < 10
    assert torch.equal(pasted, paste(images, patch, seed=0))
    assert not torch.equal(pasted, paste(images, patch, seed=1))


def test_what_is_refused() -> None:
    network = CDCN(width=4, seed=0).eval()
    with pytest.raises(InputError, match="research_use false"):
        adversarial_patch(network, attacks(4, 1), 8, research_use=False)
    for images, side in ((attacks(4, 1), 33), (attacks(4, 1), 0), (attacks(4, 1)[:0], 8)):
        with pytest.raises(InputError, match=r"at least one is needed|must fit"):
            adversarial_patch(network, images, side, research_use=True)
