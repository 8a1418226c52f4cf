"""Depth from several frames: a single-frame network, refined by what moves between frames."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Share
from sterling.errors import InputError
from sterling.face.pad.layers.spatio_temporal import (
    ConvGRUCell,
    Cues,
    GradientOrder,
    ShortTermBlock,
)
from sterling.face.pad.networks.depth_net import DepthNet
from sterling.face.pad.networks.network import Network, Output, initialise

HEAD_SIDE, HEAD_UNITS = 4, 64


@dataclass(frozen=True, eq=False)
class StreamState:
    """State after the frames of N running clips; its size does not grow with the clip.

    Attributes:
        cues: Cues of the newest frame, per block.
        single: Its single-frame map (N, h, w).
        hidden: States of the recurrent cells, (N, channels, h, w) each.
        refined: The newest refined map (N, h, w), of the frame before the newest; zeros before
            there is one.
        total: Sum of all refined maps.
        judged: Number of refined maps so far: one fewer than frames.
    """

    cues: tuple[Cues, ...]
    single: Tensor
    hidden: tuple[Tensor, Tensor]
    refined: Tensor
    total: Tensor
    judged: int


class ClipDepth(Network):
    """Base of the multi-frame depth networks: clips of T frames to T - 1 refined maps and a logit.

    A `DepthNet` sees every frame. At each of its three sizes, before pooling, a `ShortTermBlock`
    compares every frame with the next one; its output, pooled by 2, is passed through a 3×3
    convolution and batch norm to the next block, and after the last one through a ReLU, too. Two
    stacked recurrent cells (of `width` channels and of one) carry that on through the clip; the
    state of the second is the frame's multi-frame map, within (-1, 1). The refined map of frame t
    is

        max(0, (1 - w_multi) · single(t) + w_multi · multi(t)).

    The mean of the refined maps, pooled to 4×4, is classified by two linear layers (64 units). The
    papers' classifier reads the whole 32×32 map; pooled, one network suits pictures of any size.

    Training has two stages in the papers: first the `DepthNet` alone, on frames; then `adopt` takes
    its weights and keeps them, batch norm's statistics included, while `train` fits the rest. A
    network that adopted nothing is trained as a whole.

    Whole clips go through `forward`. Frame by frame, `stream` gives the same answers, each at the
    cost of one frame.

    Ours, as no source says it: the cut at 0; one logit instead of two; all widths in proportion to
    `width`. Both recurrent cells have the equations' tanh, as in the release.

    Args:
        single: The trunk; width and modalities are its.
        frames: Frames of a clip, 2 or more.
        w_multi: Share of the multi-frame map in the refined map, in [0, 1]; the single-frame map
            has the rest.
        memory: Whether the recurrent state is carried from frame to frame. Without, every pair of
            frames is scored on its own, by as many parameters.
        logit_share: Share of the probability of bona fide in score and loss, in [0, 1].
        signed: Whether the blocks' gradients are signed (see `ShortTermBlock`).
        wide: Whether the blocks concatenate the trunk's features.
        root: Whether the blocks' magnitudes have their root.
        seed: Seed of the initial weights but the trunk's.
    """

    def __init__(
        self,
        single: DepthNet,
        frames: int,
        w_multi: float,
        memory: bool,
        logit_share: float,
        *,
        signed: bool,
        wide: bool,
        root: bool = True,
        seed: int,
    ) -> None:
        super().__init__()
        if frames < 2:
            raise InputError(
                f"frames is {frames}: motion needs clips of 2 or more; for single pictures take "
                "depth_net"
            )
        self.single, self.modalities, self.width = single, single.modalities, single.width
        self.frames, self.w_multi, self.memory = frames, w_multi, memory
        self.logit_share = logit_share
        level, reduced = 2 * self.width, max(1, self.width // 2)
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.blocks = nn.ModuleList(
                ShortTermBlock(level, reduced, previous, level, signed=signed, wide=wide, root=root)
                for previous in (0, level, level)
            )
            # As released, what a block hands on is convolved after its pooling.
            self.joins = nn.ModuleList(
                nn.Sequential(
                    nn.Conv2d(level, level, 3, padding=1, bias=False), nn.BatchNorm2d(level)
                )
                for _ in range(2)
            )
            self.summary = nn.Sequential(
                nn.Conv2d(level, level, 3, padding=1, bias=False), nn.BatchNorm2d(level), nn.ReLU()
            )
            self.recurrent = nn.ModuleList(
                [ConvGRUCell(level, self.width), ConvGRUCell(self.width, 1)]
            )
            self.head = nn.Sequential(
                nn.Linear(HEAD_SIDE**2, HEAD_UNITS), nn.ReLU(), nn.Linear(HEAD_UNITS, 1)
            )
        initialise(
            nn.ModuleList([self.blocks, self.joins, self.summary, self.recurrent, self.head]), seed
        )

    @property
    def w_single(self) -> float:
        """Share of the single-frame map in the refined map."""
        return 1 - self.w_multi

    @property
    def frozen(self) -> bool:
        """Whether the trunk was adopted, so that training leaves it as it is."""
        return not any(parameter.requires_grad for parameter in self.single.parameters())

    def adopt(self, single: DepthNet) -> None:
        """Take a trained single-frame network's weights for the trunk, and keep them in training.

        Raises:
            InputError: It is not built as the trunk is.
        """
        if {**single.arguments, "frames": 1} != self.single.arguments:
            raise InputError(
                f"single-frame network is {single.to_dict()}: {self.name} needs "
                f"{self.single.to_dict()}"
            )
        self.single.load_state_dict(single.state_dict())
        self.single.requires_grad_(requires_grad=False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; an adopted trunk stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.single.eval()
        return self

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Judge clips (N, T, C, H, W): maps (N, T - 1, H/8, W/8), 0 or more, and logits (N, 1)."""
        self.require(images, present)
        frames = self.frames
        # T - 1 pairs of every clip at once; only the recurrent cells go from frame to frame.
        cues, single = self._see(images.flatten(0, 1))
        now, then = (
            tuple(level.of(partial(_frames, frames=frames, first=first)) for level in cues)
            for first in (0, 1)
        )
        moved, singles = _clips(self._compare(now, then), frames - 1), _clips(single, frames)
        hidden = self._rest(singles[:, 0])
        refined = []
        for frame in range(frames - 1):
            hidden = self._remember(moved[:, frame], hidden)
            refined.append(self._refine(singles[:, frame], hidden))
        maps = torch.stack(refined, dim=1)
        return Output(maps, self._classify(maps.mean(dim=1)))

    def stream(
        self, frame: Tensor, state: StreamState | None = None
    ) -> tuple[Output | None, StreamState]:
        """Judge running clips so far, given one more frame of each; in evaluation mode.

        Args:
            frame: (N, C, H, W) float, normalised: the next frame of N clips.
            state: State that the previous call returned; None for the first frame.

        Returns:
            The answer and the next state. The answer's map is the mean of the refined maps so far,
            (N, 1, H/8, W/8), so that its `liveness` is that of the clip so far; after `frames`
            frames it equals `forward`'s. None on the first frame. Clips may run on: the networks
            are trained on `frames` frames, though.

        Raises:
            InputError: The frame does not fit the network, or differs from those before in number
                or size.
        """
        self.single.require(frame, None)
        cues, single = self._see(frame)
        if state is None:
            hidden, nothing = self._rest(single), torch.zeros_like(single)
            return None, StreamState(cues, single, hidden, nothing, nothing, 0)
        if state.single.shape != single.shape:
            raise InputError(
                f"frame has shape {tuple(frame.shape)}: the frames before were of "
                f"{len(state.single)} clips with maps of {tuple(state.single.shape[1:])}; "
                "a stream continues with the same clips and size"
            )
        hidden = self._remember(self._compare(state.cues, cues), state.hidden)
        refined = self._refine(state.single, hidden)
        total, judged = state.total + refined, state.judged + 1
        mean = total / judged
        output = Output(mean[:, None], self._classify(mean))
        return output, StreamState(cues, single, hidden, refined, total, judged)

    def _see(self, frames: Tensor) -> tuple[tuple[Cues, ...], Tensor]:
        """Per block the cues of frames (M, C, H, W), and their single-frame maps (M, h, w)."""
        levels = self.single.levels(frames)
        cues = tuple(
            cast(ShortTermBlock, block).cues(level)
            for block, level in zip(self.blocks, levels, strict=True)
        )
        return cues, self.single.depth(levels)

    def _compare(self, now: tuple[Cues, ...], then: tuple[Cues, ...]) -> Tensor:
        """Motion between frames and the next ones, (M, 2·width, h, w)."""
        moved: Tensor | None = None
        for number, (block, before, after) in enumerate(zip(self.blocks, now, then, strict=True)):
            joined = None if moved is None else self.joins[number - 1](moved)
            moved = F.max_pool2d(block(before, after, joined), 2)
        summary: Tensor = self.summary(moved)
        return summary

    def _rest(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The recurrent cells' states before a clip."""
        count, (height, width) = like.shape[0], like.shape[-2:]
        return (
            like.new_zeros(count, self.width, height, width),
            like.new_zeros(count, 1, height, width),
        )

    def _remember(self, moved: Tensor, hidden: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The recurrent cells' states after one more pair of frames."""
        if not self.memory:
            hidden = self._rest(moved)
        deep = self.recurrent[0](moved, hidden[0])
        return deep, self.recurrent[1](deep, hidden[1])

    def _refine(self, single: Tensor, hidden: tuple[Tensor, Tensor]) -> Tensor:
        return F.relu(self.w_single * single + self.w_multi * hidden[1].squeeze(1))

    def _classify(self, mean_map: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(mean_map, HEAD_SIDE)
        logits: Tensor = self.head(pooled.flatten(1))
        return logits


def _clips(values: Tensor, frames: int) -> Tensor:
    """Put the frames of N clips, (N·T, ...), on an axis of their own, (N, T, ...)."""
    return values.view(-1, frames, *values.shape[1:])


def _frames(values: Tensor, frames: int, first: int) -> Tensor:
    """Keep T - 1 frames from `first` on of N clips of T frames; (N·T, ...) to (N·(T - 1), ...)."""
    return _clips(values, frames)[:, first : first + frames - 1].flatten(0, 1)


class SGTD(ClipDepth):
    """Spatial gradient and temporal depth network of Wang et al., CVPR 2020.

    A `ClipDepth` whose trunk is made of residual spatial gradient blocks, and whose short-term
    blocks (STSTB) compare gradient magnitudes. With the two recurrent cells they are the paper's
    spatio-temporal propagation module. `w_multi` is its α = 0.6, `logit_share` its β = 0.8; it
    takes 5 frames, every third of a video.

    Args:
        width: Channels of the trunk's stem; 64 is the published network.
        frames: Frames of a clip.
        w_multi: Share of the multi-frame map in the refined map.
        memory: Whether the recurrent state is carried from frame to frame.
        logit_share: Share of the probability of bona fide in score and loss.
        modalities: Modalities stacked along the channels of every frame.
        gradient: Order within the residual spatial gradient blocks.
        root: Whether all gradient magnitudes have their root.
        seed: Seed of the initial weights.
    """

    name = "sgtd"

    def __init__(
        self,
        width: Count = 64,
        frames: Count = 5,
        w_multi: Share = 0.6,
        memory: bool = True,
        logit_share: Share = 0.8,
        modalities: Collection[str] = ("rgb",),
        gradient: GradientOrder = "sobel_then_conv",
        root: bool = True,
        *,
        seed: int = 0,
    ) -> None:
        single = DepthNet(width, gradient, root, modalities, seed=seed)
        shared = (frames, w_multi, memory, logit_share)
        super().__init__(single, *shared, signed=False, wide=True, root=root, seed=seed)


class TemporalDepth(ClipDepth):
    """Multi-frame depth network of Wang et al., "Exploiting temporal and depth information", 2018.

    A `ClipDepth` whose trunk is the plain `DepthNet`, and whose short-term blocks (OFFB) hold the
    signed components of both frames' gradients. `w_single` is the paper's weight of the
    single-frame map.

    Our defaults, where no source was to be had: `w_multi` = 0.6 (so w_single = 0.4) and
    `logit_share` = 0.8 as in the successor, three blocks as in the successor's release.

    Args:
        width: Channels of the trunk's stem; 64 is the published network.
        frames: Frames of a clip.
        w_multi: Share of the multi-frame map in the refined map.
        memory: Whether the recurrent state is carried from frame to frame.
        logit_share: Share of the probability of bona fide in score and loss.
        modalities: Modalities stacked along the channels of every frame.
        seed: Seed of the initial weights.
    """

    name = "temporal_depth"

    def __init__(
        self,
        width: Count = 64,
        frames: Count = 5,
        w_multi: Share = 0.6,
        memory: bool = True,
        logit_share: Share = 0.8,
        modalities: Collection[str] = ("rgb",),
        *,
        seed: int = 0,
    ) -> None:
        single = DepthNet(width, modalities=modalities, seed=seed)
        shared = (frames, w_multi, memory, logit_share)
        super().__init__(single, *shared, signed=True, wide=False, seed=seed)
