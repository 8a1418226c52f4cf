"""Time that a keyed integer function saves against splitting the vocabulary by a generator.

Published implementations of Kirchenbauer et al. (ICML 2023) seed a generator with the token before
and draw a permutation of the vocabulary, for every token of the text that is tested and at every
step of generation. That scheme is re-stated here. Besides: what a mark adds to generating with the
packaged real model, where it is installed. Timed in one run with repetitions interleaved; figures
are ratios of medians.

    python -m benchmarks.watermark [--quick]
"""

import argparse
from itertools import pairwise

import numpy as np
import torch
from benchmarks.cdc import medians
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import Processor, Sampling, load_local
from sterling.text import TripleSetWatermark, kgw

KEY, VOCABULARY, SHARE, TEXTS = 15485863, 32_000, 0.5, 20


def drawn_green(previous: int, generator: torch.Generator) -> Tensor:
    """Ids of the green tokens after `previous`, as the published scheme draws them."""
    generator.manual_seed(KEY * previous % 2**63)
    return torch.randperm(VOCABULARY, generator=generator)[: round(SHARE * VOCABULARY)]


def count_drawn(ids: list[int]) -> int:
    """Green tokens of a text by the published scheme."""
    generator = torch.Generator()
    return sum(int(now in drawn_green(before, generator)) for before, now in pairwise(ids))


def main() -> None:
    """Print lines for detection, for a step of generation, and for generating by a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short text")
    length = 50 if parser.parse_args().quick else 400
    torch.set_num_threads(1)
    draw = np.random.default_rng(0)
    texts = [draw.integers(0, VOCABULARY, length).tolist() for _ in range(TEXTS)]
    mark, generator = kgw(KEY), torch.Generator()
    share = count_drawn(texts[0]) / (length - 1)
    assert abs(share - SHARE) < 5 * (0.25 / length) ** 0.5, "the scheme is re-stated wrongly"

    times = medians(
        {
            "keyed": lambda: [mark.detect(ids) for ids in texts],
            "drawn": lambda: [count_drawn(ids) for ids in texts],
        },
        5,
    )
    print(
        f"detection of {TEXTS} texts of {length} tokens, vocabulary {VOCABULARY}: keyed "
        f"{1e3 * times['keyed']:.2f} ms ({TEXTS * length / times['keyed']:,.0f} tokens/s), drawn "
        f"{1e3 * times['drawn']:.0f} ms, ratio {times['drawn'] / times['keyed']:.0f}"
    )
    scores, context = torch.randn(1, VOCABULARY), torch.tensor([[17]])
    three = TripleSetWatermark(KEY).processor()
    two = mark.processor()

    def drawn_step() -> Tensor:
        marked = scores.clone()
        marked[:, drawn_green(17, generator)] += 2.0
        return marked

    steps = medians(
        {
            "two": lambda: two(context, scores),
            "three": lambda: three(context, scores),
            "drawn": drawn_step,
        },
        50,
    )
    print(
        f"a step of generation: two sets {1e3 * steps['two']:.2f} ms, three sets "
        f"{1e3 * steps['three']:.2f} ms, drawn {1e3 * steps['drawn']:.2f} ms, ratio "
        f"{steps['drawn'] / steps['two']:.1f} (two sets)"
    )
    generating(4 if length == 50 else 16)


def generating(tokens: int) -> None:
    """Print the time that the watermark adds to a real model, alone and in a batch."""
    try:
        model = load_local()
    except InputError as error:
        print(error)
        return
    sampling = Sampling(tokens, temperature=1.0, top_p=1.0)
    for batch in (1, 16):
        prompts = ["The history of the city begins in"] * batch

        def run(processors: list[Processor], prompts: list[str] = prompts) -> object:
            return model.generate(prompts, sampling, processors=processors)

        times = medians(
            {
                "plain": lambda: run([]),
                "two sets": lambda: run([kgw(KEY).processor()]),
                "three sets": lambda: run([TripleSetWatermark(KEY).processor()]),
            },
            5,
        )
        shares = ", ".join(
            f"{name} {times[name] / times['plain']:.3f}" for name in ("two sets", "three sets")
        )
        print(
            f"generating {tokens} tokens, {batch} at a time: plain "
            f"{batch * tokens / times['plain']:.1f} tokens/s; times of it: {shares}"
        )


if __name__ == "__main__":
    main()
