"""Networks with batch norm as after training, not as at the start."""

from typing import TypeVar

import torch
from tests.draws import normal
from torch import nn

from sterling.face.pad.networks.network import Network

N = TypeVar("N", bound=Network)


def lively(network: N, size: int = 32) -> N:
    """The network in evaluation, its running statistics those of one batch."""
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = 1.0
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of dropout
        network.train()(normal(8, *network.shape(size), seed=9))
    return network.eval()
