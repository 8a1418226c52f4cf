"""KV-Cloak as a cache of transformers: rows held between two layers' turns are obfuscated."""

import secrets as system_random

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

from sterling.errors import InputError
from sterling.privacy.cache.blocks import BlockMixer, Serial
from sterling.privacy.cache.cloak import CloakSecret, LayerSecret
from sterling.privacy.cache.cloaked_attention import CloakedRows, HeldBlocks


class _Workspace:
    """Memory that each layer in its turn restores its keys and values to."""

    def __init__(self) -> None:
        self.memory = torch.empty(0)

    def take(self, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return memory of a shape, in the precision and on the device of ``like``."""
        size = 1
        for length in shape:
            size *= length
        memory = self.memory
        fits = memory.dtype == like.dtype and memory.device == like.device
        if not fits or len(memory) < size:
            self.wipe()
            self.memory = memory = like.new_empty(size + size // 2)
        return memory[:size].view(shape)

    def wipe(self) -> None:
        """Overwrite the rows that were restored last."""
        self.memory.zero_()


class _KVCloakLayer(CacheLayerMixin):  # type: ignore[misc]
    """One layer: blocks (2 N H, B, b, d), of which the last may not be full."""

    is_sliding = False
    is_croppable = True

    def __init__(
        self,
        secret: LayerSecret,
        workspace: _Workspace,
        nonce: tuple[int, int],
        *,
        fused: bool,
        storage: torch.dtype,
    ) -> None:
        super().__init__()
        self.secret, self.workspace, self.nonce = secret, workspace, nonce
        self.fused, self.storage = fused, storage
        self.length = self.writes = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        n, heads, _, d = key_states.shape
        expected = (self.secret.offset.shape[1], self.secret.offset.shape[2])
        if (heads, d) != expected or value_states.shape != key_states.shape:
            raise InputError(
                f"keys of {heads} heads with {d} entries: the secret was drawn for {expected[0]} "
                f"heads with {expected[1]}; draw it for this model"
            )
        self.dtype, self.device = key_states.dtype, key_states.device
        self.precision = torch.promote_types(self.dtype, torch.float32)
        self.mixer = self._mixer(n)
        self.matrices = self.secret.mixer.to(self.device, self.precision)[:, None]
        self.undoing = self.secret.unmixer.to(self.device, self.precision)[:, None]
        b = self.secret.config.block
        self.blocks = torch.empty(2 * n * heads, 0, b, d, dtype=self.storage, device=self.device)
        self.inverse = torch.empty(0, b, dtype=torch.int64, device=self.device)
        self.serials: list[Serial] = []
        self.is_initialized = True

    def _mixer(self, texts: int) -> BlockMixer:
        return BlockMixer.of(self.secret, texts, self.precision, self.device)

    @torch.no_grad()
    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Take new keys and values (N, H, n, d); return all of them, detached.

        They are in plain, except one token's from a fused model, which are `CloakedRows`.
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        n, heads, fresh_rows, d = key_states.shape
        if fresh_rows == 1 and self.fused and self.secret.config.mask == "row":
            self._append(key_states, value_states)
            held = HeldBlocks(self.blocks, self.mixer, self.inverse, self.length)
            return CloakedRows.of(held, 0, self.dtype), CloakedRows.of(held, 1, self.dtype)
        b, past = self.secret.config.block, self.length
        self.length = length = past + fresh_rows
        count = -(-length // b)
        rows = self._restore(count)
        plain = rows.view(2, n, heads, count * b, d)
        fresh = plain[..., past:length, :]
        for place, states in enumerate((key_states, value_states)):
            fresh[place] = states if self.fused else states.to(rows) @ self.matrices[place]
        self._write(rows[:, past // b :], past // b)
        plain = plain[..., :length, :]
        if not self.fused:
            plain = plain @ self.undoing
        keys, values = plain.to(self.dtype)
        return keys, values

    def _append(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take the row of one token; only the last block is restored, and wiped again."""
        at, row = divmod(self.length, self.secret.config.block)
        self.length += 1
        last = self.workspace.take(self.mixer.offset, (len(self.blocks), 1, *self.blocks.shape[2:]))
        if row:
            stored = self.blocks[:, at:].to(self.precision)
            self.mixer.restore(stored, self.inverse[at:], self.serials[at:], out=last)
        else:
            last.copy_(self.mixer.padding.expand_as(last))
            self._grow(1)
        fresh = torch.stack((key_states, value_states)).to(last)
        last[:, 0, row] = fresh.view(len(last), -1)
        self._write(last, at)
        last.zero_()

    def _restore(self, count: int) -> Tensor:
        """Restore all blocks to the workspace, with padding up to ``count`` blocks."""
        held = self.blocks.shape[1]
        shape = (self.blocks.shape[0], count, *self.blocks.shape[2:])
        rows = self.workspace.take(self.mixer.offset, shape)
        stored = self.blocks.to(self.precision)
        if held == count:
            return self.mixer.restore(stored, self.inverse, self.serials, out=rows)
        if held:
            rows[:, :held] = self.mixer.restore(stored, self.inverse, self.serials)
        rows[:, held:] = self.mixer.padding
        self._grow(count - held)
        return rows

    def _grow(self, count: int) -> None:
        """Make room for further blocks."""
        z, _, b, d = self.blocks.shape
        self.blocks = torch.cat((self.blocks, self.blocks.new_empty(z, count, b, d)), dim=1)
        self.inverse = torch.cat((self.inverse, self.inverse.new_empty(count, b)))
        self._show()

    def _write(self, rows: Tensor, first: int) -> None:
        """Obfuscate the blocks from ``first`` on, each under a serial number of its own."""
        serials = []
        for _ in range(rows.shape[1]):
            self.writes += 1
            serials.append((*self.nonce, self.writes))
        self.serials[first:] = serials
        self.inverse[first:] = inverse = self.mixer.inverse_orders(serials)
        self.blocks[:, first:] = self.mixer.obfuscate(rows, inverse, serials)

    def _show(self) -> None:
        """Set the cache's usual names to the obfuscated rows (N, H, B b, d)."""
        keys_and_values = self._by_text()
        self.keys, self.values = keys_and_values.flatten(-3, -2)

    def _by_text(self) -> Tensor:
        """Return the blocks of keys and values of each text, (2, N, H, B, b, d)."""
        return self.blocks.view(2, self.mixer.texts, -1, *self.blocks.shape[1:])

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return length and offset of the rows that attention sees."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Return the number of positions held."""
        return self.length

    def get_max_length(self) -> int:
        """Return -1: there is no limit."""
        return -1

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the last positions; their number is given as a negative one."""
        if tokens_to_remove > 0:
            raise InputError(f"crop {tokens_to_remove}: a negative number of positions to remove")
        if not self.length or not tokens_to_remove:
            return
        self.length = max(0, self.length + tokens_to_remove)
        count = -(-self.length // self.secret.config.block)
        self.blocks = self.blocks[:, :count].contiguous()
        self.inverse, self.serials = self.inverse[:count], self.serials[:count]
        self._show()

    def reset(self) -> None:
        """Forget every position; serial numbers continue."""
        self.length, self.keys, self.values = 0, None, None
        self.is_initialized = False

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Reorder the texts, for beam search."""
        self.batch_select_indices(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only some texts."""
        if not self.length:
            return
        texts = self._by_text()
        chosen = texts[:, indices.to(self.device)]
        self.blocks = chosen.flatten(0, 2).contiguous()
        self.mixer = self._mixer(chosen.shape[1])
        self._show()

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat each text."""
        if self.length:
            texts = torch.arange(self.mixer.texts)
            self.batch_select_indices(texts.repeat_interleave(repeats))


class KVCloakCache(Cache):  # type: ignore[misc]
    """Keys and values in obfuscated blocks, to give to ``generate`` as ``past_key_values``.

    Where a fused model generates token by token under the mask "row", attention reads the blocks
    as they are: only the block that takes the token is restored, wiped, and obfuscated anew under
    another permutation. Otherwise (several tokens at once, no fusion, the mask "dense") each layer
    in its turn restores its blocks to one shared workspace, which holds the layer whose turn was
    last until `seal` wipes it, and plain keys exist in tensors of the model while attention runs.

    Permutations are not stored with the blocks: this object, which holds the secret anyway, keeps
    them, so that rows come back in their order. Masks, beams and ``crop`` work as with a plain
    cache. (The published scheme tells the marked row by its size and gives rows back permuted,
    see `sterling.privacy.cache.restore_by_marker`.)

    Args:
        secret: Drawn for the model, see `sterling.privacy.cache.draw_secret`.
        fused: The model is `sterling.privacy.cache.fuse`'s, with M in its weights. Otherwise M
            is applied here, which costs more.
        storage: Precision of the held blocks. float32, ours, keeps rows of models of lower
            precision to 1e-5 of the largest entry; bfloat16, as a plain cache of such a model has
            it, loses bits to the offset.
        nonce: Two integers below 2^64 that no other cache of this secret has; None draws them
            from the system. With one nonce twice, permutations and masks repeat.
    """

    def __init__(
        self,
        secret: CloakSecret,
        *,
        fused: bool,
        storage: torch.dtype = torch.float32,
        nonce: tuple[int, int] | None = None,
    ) -> None:
        self.workspace = _Workspace()
        place = nonce or (system_random.randbits(64), system_random.randbits(64))
        layers = [
            _KVCloakLayer(layer, self.workspace, place, fused=fused, storage=storage)
            for layer in secret.layers
        ]
        super().__init__(layers=layers)

    def seal(self) -> None:
        """Wipe the workspace: until the next step everything held is obfuscated."""
        self.workspace.wipe()
