"""Encoder with nearest-point codes, for tiles of samples."""

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor

from sklearn_seqae.modules.dense_tile import (
    BLOCK,
    DenseTiles,
    decoder_tile,
    encoder_tile,
)
from sklearn_seqae.modules.nearest import (
    Sizes,
    TileDecoder,
    decoder_of,
    nearest_codes,
)
from sklearn_seqae.modules.row_space import in_row_space, row_space

if TYPE_CHECKING:  # the model imports this file
    from sklearn_seqae.fitting.model import FittedModel

TILE_VALUES = 2**22  # maximum number of derivatives of a tile


class NearestEncoder:
    """Encoder whose codes are refined by Gauss-Newton steps.

    Shape
    -----
    - Input: `x` (N, D) or (N, T, C), scaled; `lengths` (N,) or None; T or None
    - Output: (N, K), the codes in scaled units, whitened if the model's codes are

    Parameters
    ----------
    model : FittedModel
        Model with its encoder, decoder and whitening.

    n_steps : int
        Number of steps.

    has_gaps : bool
        Whether the last axis of `x` has the mask of the observed values after the
        values. Only observed values then change the code.
    """

    def __init__(self, model: "FittedModel", n_steps: int, has_gaps: bool):
        self.has_gaps = has_gaps
        module, size = model.module, model.n_components
        self._whitening = model.whitening_tensors()
        self.sizes = Sizes.of(module, size)
        self._refine = partial(
            nearest_codes,
            n_steps=n_steps,
            loss=model.config.loss,
            spread=module.code_spread[:size],
            sizes=self.sizes,
        )
        self.n_rows: int | None = None  # of a tile; None: the usual number
        self.n_tiles = None  # one tile after the other
        self._encode: Any = encoder_tile(module, size)
        has_rotation = model.config.loss == "squared_error" and not has_gaps
        self._basis = row_space(module) if has_rotation else None
        if self._basis is not None:
            module = in_row_space(module, self._basis)
        tiles = {k: decoder_tile(module, k, as_logits=True) for k in self.sizes.sizes}
        if self._encode is None or None in tiles.values():
            self._encode = model.encoder(is_whitened=False)
            self._decode: Any = decoder_of(module)
            return
        decoders = cast(dict[int, DenseTiles], tiles)
        self._decode = TileDecoder(decoders)
        self._passes = [self._encode, *decoders.values()]
        n_values = model.spec.n_features if self._basis is None else len(self._basis)
        n_blocks = TILE_VALUES // (BLOCK * size * n_values)
        most = self._encode.n_rows // BLOCK
        self.n_rows = BLOCK * min(max(n_blocks, 1), most)

    def rows_for(self, n_samples: int) -> int | None:
        """Return the number of samples of the tiles for some samples."""
        rows = [tiles.rows_for(n_samples) for tiles in self._passes]
        return BLOCK if max(rows) == BLOCK else self.n_rows

    def __call__(
        self, x: Tensor, lengths: Tensor | None, n_steps: int | None
    ) -> Tensor:
        """Encode a tile, and refine its codes."""
        observed = None
        if self.has_gaps:
            x, mask = (part.contiguous() for part in x.chunk(2, dim=-1))
            observed = mask > 0
        code = self._encode(x, lengths).contiguous()
        if self._basis is not None:  # as in `DenseTile`, samples are columns
            x = (self._basis @ x.t().contiguous()).t().contiguous()
        code = self._refine(self._decode, code, x, lengths, observed=observed)
        if self._whitening is None:
            return code
        mean, factor, _ = self._whitening
        if self.n_rows is None:
            return (code - mean) @ factor
        return (factor.t() @ (code - mean).t().contiguous()).t()
