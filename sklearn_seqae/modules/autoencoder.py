"""The autoencoder: an encoder and a decoder, each beside a linear path."""

from torch import Tensor, nn

from sklearn_seqae.modules.linear_path import LinearPath


class Autoencoder(nn.Module):
    """Put an encoder, a decoder and, where there is one, a linear path together.

    With a linear path, code = L_e x + f_e(x) and output = L_d code + f_d(code):
    what the networks learn is added to what the linear path knows. Without networks
    it is the linear path alone: PCA, or with no component the mean.

    Shape
    -----
    - encode: (N, D) or (N, T, C) to (N, Z)
    - decode: (N, Z) to (N, D) or (N, T, C)

    The output of `decode` and `forward` is what the loss takes: for binary
    cross-entropy, logits.
    """

    def __init__(
        self,
        *,
        encoder: nn.Module | None,
        decoder: nn.Module | None,
        linear_path: LinearPath | None,
    ):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.linear_path = linear_path

    def encode(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map samples to codes (N, Z)."""
        parts = []
        if self.encoder is not None:
            parts.append(self.encoder(x, lengths))
        if self.linear_path is not None:
            parts.append(self.linear_path.encode(x, lengths))
        return sum(parts[1:], parts[0])

    def decode(
        self, code: Tensor, lengths: Tensor | None = None, n_steps: int | None = None
    ) -> Tensor:
        """Map codes (N, Z) to samples of `n_steps` steps (None for tables)."""
        parts = []
        if self.decoder is not None:
            parts.append(self.decoder(code, lengths, n_steps))
        if self.linear_path is not None:
            parts.append(self.linear_path.decode(code, lengths, n_steps))
        return sum(parts[1:], parts[0])

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Reconstruct samples, in the shape in which they came."""
        n_steps = x.shape[1] if x.ndim == 3 else None
        return self.decode(self.encode(x, lengths), lengths, n_steps)
