"""Forces and loads on the effector."""

from collections.abc import Sequence

from torch import Tensor

from rnnexp.numbers import finite_non_negative, number
from rnnexp.perturbations.base import Perturbation


class CurlField(Perturbation):
    """F = amplitude (-v_y, v_x), perpendicular to the velocity before the step. Source: feedbax 0.1.2, CurlField.

    Args:
        amplitude: N s / m; positive ones push to the left of the movement.
        start, stop, probability, from_update, to_update: as of Perturbation.
    """

    def __init__(
        self,
        amplitude: float = 1.0,
        start: float = 0.0,
        stop: float | None = None,
        probability: float = 1.0,
        from_update: int = 0,
        to_update: int | None = None,
    ) -> None:
        super().__init__(start, stop, probability, from_update, to_update)
        self.amplitude = number("amplitude", amplitude)

    @property
    def force_field(self) -> tuple[tuple[float, float, float, float], tuple[float, float]]:
        """The rotation by 90 degrees times the amplitude; no constant part."""
        return (0.0, -self.amplitude, self.amplitude, 0.0), (0.0, 0.0)


class ConstantForce(Perturbation):
    """The same force all the time.

    Args:
        force: (x, y), N.
        start, stop, probability, from_update, to_update: as of Perturbation.
    """

    def __init__(
        self,
        force: Sequence[float] = (1.0, 0.0),
        start: float = 0.0,
        stop: float | None = None,
        probability: float = 1.0,
        from_update: int = 0,
        to_update: int | None = None,
    ) -> None:
        super().__init__(start, stop, probability, from_update, to_update)
        self._force = pair("force", force)

    @property
    def force_field(self) -> tuple[tuple[float, float, float, float], tuple[float, float]]:
        """The constant part alone."""
        return (0.0, 0.0, 0.0, 0.0), self._force


class Load(Perturbation):
    """A mass that the effector carries.

    Args:
        mass: kg, >= 0.
        start, stop, probability, from_update, to_update: as of Perturbation.
    """

    def __init__(
        self,
        mass: float = 1.0,
        start: float = 0.0,
        stop: float | None = None,
        probability: float = 1.0,
        from_update: int = 0,
        to_update: int | None = None,
    ) -> None:
        super().__init__(start, stop, probability, from_update, to_update)
        self.mass = finite_non_negative("mass", mass)

    def load(self, active: Tensor) -> Tensor:
        """Return the mass (B, 1)."""
        return self.mass * active


def pair(name: str, values: Sequence[float]) -> tuple[float, float]:
    """Return two finite numbers, x and y.

    Raises:
        ValueError: they are none.
    """
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != 2:
        raise ValueError(f"{name} must be two numbers, x and y, got {values!r}")
    return number(name, values[0]), number(name, values[1])
