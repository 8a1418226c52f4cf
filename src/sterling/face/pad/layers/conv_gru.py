"""A gated recurrent unit whose products are convolutions."""

import torch
from torch import Tensor, nn


class ConvGRUCell(nn.Module):
    """One step of a convolutional GRU.

    With H the state, X the input, ⊛ a 3×3 convolution and * the product of elements (Wang et al.,
    CVPR 2020, section 3.2):

        R = σ(K_r ⊛ [H, X] + b_r),  U = σ(K_u ⊛ [H, X] + b_u)
        Ĥ = tanh(K_h ⊛ [R * H, X] + b_h),  H' = (1 - U) * H + U * Ĥ

    A state within (-1, 1) stays there. The release writes U for 1 - U and starts both gate biases
    at 1; here that is b_r = 1 and b_u = -1: at first the cell mostly keeps its state.

    Args:
        in_channels: Channels of the input.
        hidden_channels: Channels of the state.
    """

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        both = in_channels + hidden_channels
        self.gates = nn.Conv2d(both, 2 * hidden_channels, 3, padding=1, bias=False)
        self.candidate = nn.Conv2d(both, hidden_channels, 3, padding=1)
        # Apart from the convolution, so that `initialise` leaves them.
        biases = torch.ones(2, hidden_channels, 1, 1)
        biases[1] = -1
        self.gate_bias = nn.Parameter(biases)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Return the next state (N, hidden, H, W).

        Args:
            x: (N, in_channels, H, W).
            state: (N, hidden_channels, H, W); zeros before the first step.
        """
        reset, update = self.gates(torch.cat([state, x], dim=1)).chunk(2, dim=1)
        reset_bias, update_bias = self.gate_bias.unbind(0)
        reset, update = torch.sigmoid(reset + reset_bias), torch.sigmoid(update + update_bias)
        candidate = torch.tanh(self.candidate(torch.cat([reset * state, x], dim=1)))
        return (1 - update) * state + update * candidate
