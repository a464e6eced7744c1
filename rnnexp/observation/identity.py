"""Identity observation: the first units are the outputs."""

from torch import Tensor

from rnnexp.observation.base import Observation


class Identity(Observation):
    """y = the first O units; no parameters.

    Raises:
        ValueError: there are fewer units than outputs.
    """

    def __init__(self, latent_dim: int, output_dim: int) -> None:
        super().__init__(latent_dim, output_dim)
        if latent_dim < output_dim:
            raise ValueError(
                f"observation=identity reads the outputs from the first units, so latent_dim must be >= the number "
                f"of outputs ({output_dim}), got latent_dim={latent_dim}"
            )

    def forward(self, rates: Tensor) -> Tensor:
        """Return rates[..., :O]."""
        return rates[..., : self.output_dim]

    @property
    def inverted_units(self) -> int:
        """O: the first units are the observations."""
        return self.output_dim

    def invert(self, x: Tensor) -> Tensor:
        """Return x (..., O) itself."""
        return x
