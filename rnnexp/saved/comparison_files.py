"""What `rnnexp compare` leaves: tables and pictures."""

from pathlib import Path

from rnnexp.analysis.similarity import arrangement
from rnnexp.errors import UserError
from rnnexp.plots.album import Album
from rnnexp.plots.network_comparison import networks_in_a_plane, psychometric_curves, similarity_matrices
from rnnexp.saved.comparing import Comparison


def album_for(
    directory: Path, format: str = "png", width: str | None = None, style: str | None = None
) -> Album:
    """Return an album that writes files.

    Raises:
        UserError: a setting is not allowed.
    """
    try:
        return Album(directory, None, format, width, style)
    except ValueError as error:
        raise UserError(str(error)) from error


def write_comparison(comparison: Comparison, folder: Path, album: Album) -> None:
    """Write comparison.csv, a similarity_<measure>.csv each, and the pictures.

    Raises:
        UserError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        comparison.table.to_csv(folder / "comparison.csv", index=False)
        for measure, matrix in comparison.similarity.items():
            matrix.to_csv(folder / f"similarity_{measure}.csv", index_label="name")
    except OSError as error:
        raise UserError(f"out: {folder}: cannot be written: {error.strerror}") from error
    draw_comparison(comparison, album)


def draw_comparison(comparison: Comparison, album: Album) -> None:
    """Draw similarity matrices, the networks in a plane, and psychometric curves where there are such."""
    names = comparison.table["name"].tolist()
    arranged = {measure: arrangement(comparison.distances(measure)) for measure in comparison.similarity}
    matrices = {measure: matrix.to_numpy() for measure, matrix in comparison.similarity.items()}
    orders = {measure: order for measure, (_, order) in arranged.items()}
    places = {measure: points for measure, (points, _) in arranged.items()}
    kinds = comparison.table["latent_step"].tolist()
    album.add("similarity", lambda: similarity_matrices(matrices, orders, names))
    album.add("networks", lambda: networks_in_a_plane(places, kinds, names))
    curves = {name: (c.coherence, c.choice, c.curve) for name, c in comparison.choices.items()}
    album.add("psychometric", lambda: psychometric_curves(curves, comparison.choice_name) if curves else None)
