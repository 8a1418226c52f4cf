"""KV-Cloak as a cache of transformers: what is held between two layers' turns is obfuscated."""

import secrets as system_random

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

from sterling.errors import InputError
from sterling.privacy.cache.blocks import Serial, obfuscate, restore
from sterling.privacy.cache.cloak import CloakSecret, LayerSecret

__all__ = ["KVCloakCache"]

_FIRST_ROOM = 8  # blocks; room doubles when it is full


class _Workspace:
    """Memory that every layer in its turn restores its keys and values to, (2, N, H, T, d)."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None

    def take(self, like: Tensor, length: int) -> Tensor:
        """Room for ``length`` rows, beside texts, heads, precision and device of ``like``."""
        lead, d = like.shape[:3], like.shape[-1]
        memory = self.memory
        if (
            memory is None
            or (memory.shape[:3], memory.shape[-1]) != (lead, d)
            or (memory.dtype, memory.device) != (like.dtype, like.device)
            or memory.shape[-2] < length
        ):
            self.wipe()
            self.memory = memory = like.new_empty(*lead, length + length // 2 + 64, d)
        return memory[..., :length, :]

    def wipe(self) -> None:
        """Overwrite what was restored last."""
        if self.memory is not None:
            self.memory.zero_()


class _KVCloakLayer(CacheLayerMixin):
    """One layer: full blocks in ``stored``, at most one that is not full in ``open_block``."""

    is_sliding = False

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
        self.drawn, self.secret = secret, secret
        self.workspace, self.nonce = workspace, nonce
        self.fused, self.storage = fused, storage
        self.length = self.writes = 0
        self.serials: list[Serial] = []
        self.open_serial: Serial = ()
        self.open_block: Tensor | None = None

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        n, heads, _, d = key_states.shape
        expected = (self.drawn.bound.shape[1], self.drawn.offset.shape[1 + 1])
        if (heads, d) != expected or value_states.shape != key_states.shape:
            raise InputError(
                f"keys of {heads} heads with {d} entries: the secret was drawn for {expected[0]} "
                f"heads with {expected[1]}; draw it for this model"
            )
        self.dtype, self.device = key_states.dtype, key_states.device
        self.precision = torch.promote_types(self.dtype, torch.float32)
        self.secret = self.drawn.to(self.precision, self.device)
        b = self.drawn.config.block
        self._hold(
            torch.empty(2, n, heads, b, _FIRST_ROOM, d, dtype=self.storage, device=self.device)
        )
        self.is_initialized = True

    def _hold(self, stored: Tensor) -> None:
        self.stored = stored
        self.keys, self.values = stored  # views: what whoever reads the cache at rest sees

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Take new keys and values (N, H, n, d), give all of them back in plain."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        new = torch.stack((key_states, value_states)).to(self.precision)
        if not self.fused:
            new = new @ self.secret.mixer[:, None]
        b, whole = self.secret.config.block, len(self.serials)
        past, length = self.length, self.length + new.shape[-2]
        plain = self.workspace.take(new, length)
        if whole:
            full = plain[..., : whole * b, :]
            stored = self.stored[..., :whole, :].to(self.precision)
            restored = restore(stored, self.secret, self.serials, whole * b, out=full)
            if restored is not full:
                full.copy_(restored)
        if self.open_block is not None:
            plain[..., whole * b : past, :] = restore(
                self.open_block.to(self.precision),
                self.secret,
                [self.open_serial],
                past - whole * b,
            )
        plain[..., past:, :] = new
        self._write(plain[..., whole * b :, :])
        self.length = length
        if not self.fused:
            plain = plain @ self.secret.unmixer[:, None]
        keys, values = plain.to(self.dtype)
        return keys, values

    def _write(self, rows: Tensor) -> None:
        """Store the rows after the last full block: full blocks, and one that is open."""
        b, whole = self.secret.config.block, len(self.serials)
        full = rows.shape[-2] // b
        if full:
            serials = [self._next_serial() for _ in range(full)]
            if whole + full > self.stored.shape[-2]:
                room = self.stored.new_empty(
                    *self.stored.shape[:-2], 2 * (whole + full), self.stored.shape[-1]
                )
                room[..., :whole, :] = self.stored[..., :whole, :]
                self._hold(room)
            blocks = obfuscate(rows[..., : full * b, :], self.secret, serials)
            self.stored[..., whole : whole + full, :] = blocks
            self.serials += serials
        rest = rows[..., full * b :, :]
        self.open_block = None
        if rest.shape[-2]:
            self.open_serial = self._next_serial()
            self.open_block = obfuscate(rest, self.secret, [self.open_serial]).to(self.storage)

    def _next_serial(self) -> Serial:
        self.writes += 1
        return (*self.nonce, self.writes)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of what attention sees."""
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        """Positions held."""
        return self.length

    def get_max_length(self) -> int:
        """No limit."""
        return -1

    def reset(self) -> None:
        """Forget every position; serial numbers go on."""
        self.length, self.serials, self.open_block = 0, [], None
        self.is_initialized = False

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Texts in another order, for beam search."""
        self.batch_select_indices(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Only these texts."""
        if self.length:
            self._hold(self.stored[:, indices.to(self.device)])
            if self.open_block is not None:
                self.open_block = self.open_block[:, indices.to(self.device)]

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each text so many times."""
        texts = torch.arange(self.stored.shape[1] if self.length else 0)
        self.batch_select_indices(texts.repeat_interleave(repeats))


class KVCloakCache(Cache):
    """Keys and values in obfuscated blocks, to give to ``generate`` as ``past_key_values``.

    In its turn each layer restores its own blocks to one shared workspace, and its open block of
    fewer than b rows is obfuscated anew with every token. So at rest nothing is plain but the
    workspace, which holds the layer whose turn was last until `seal` wipes it. Plain keys also
    exist while attention runs, in tensors of the model.

    Rows come back in another order under the mask "row", which is the published one: texts of one
    batch must then be of one length, as a padding mask would meet the wrong rows. The mask
    "dense" keeps the order. Positions cannot be taken back (``crop``), so assisted decoding is
    refused.

    Args:
        secret: Drawn for the model, see `sterling.privacy.cache.draw_secret`.
        fused: The model is `sterling.privacy.cache.fuse`'s, with M in its weights. Otherwise M
            is applied here, which costs more.
        storage: What blocks are held in. float32, ours, keeps models of lower precision exact;
            bfloat16, as a plain cache has it, loses bits to the offset.
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
        workspace = _Workspace()
        place = nonce or (system_random.randbits(64), system_random.randbits(64))
        self.workspace = workspace
        super().__init__(
            layers=[
                _KVCloakLayer(layer, workspace, place, fused=fused, storage=storage)
                for layer in secret.layers
            ]
        )

    def seal(self) -> None:
        """Wipe the workspace: from here to the next step everything held is obfuscated."""
        self.workspace.wipe()

    def crop(self, *_: object) -> None:
        """Refused: rows of a block have no known order.

        Raises:
            InputError: Always.
        """
        raise InputError("KVCloakCache cannot take positions back; decode without an assistant")
