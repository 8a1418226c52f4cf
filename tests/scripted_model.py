"""A language model without weights, for tests."""

from collections.abc import Callable, Sequence

from sterling.lm import GREEDY, Call, CallLedger, Generation, Message, Sampling


class ScriptedModel:
    """Answers by a rule of purpose, prompt and seed, and remembers what it was asked."""

    name = "scripted"

    def __init__(
        self, answer: str | Callable[[str, str, int], str], ledger: CallLedger | None = None
    ) -> None:
        self.answer = answer
        self.ledger = ledger if ledger is not None else CallLedger()
        self.asked: list[str] = []
        self.purposes: list[str] = []
        self.chats = 0
        self.longest = 0

    def generate(
        self,
        prompts: Sequence[str],
        sampling: Sampling = GREEDY,
        *,
        seed: int = 0,
        purpose: str = "",
    ) -> list[Generation]:
        self.ledger.require(len(prompts))
        self.asked += prompts
        self.purposes += [purpose] * len(prompts)
        self.longest = max(self.longest, sampling.max_new_tokens)
        self.ledger.add(Call(purpose, self.name, 1, 1, 0.0) for _ in prompts)
        rule = self.answer
        texts = [rule if isinstance(rule, str) else rule(purpose, p, seed) for p in prompts]
        return [Generation(text, (), 1, True) for text in texts]

    def chat(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling = GREEDY,
        *,
        seed: int = 0,
        purpose: str = "",
    ) -> list[Generation]:
        self.chats += len(conversations)
        prompts = [conversation[-1]["content"] for conversation in conversations]
        return self.generate(prompts, sampling, seed=seed, purpose=purpose)
