"""Matrix products inside kernels against numpy, for sizes around those of a tile, a panel and a vector."""

import numba
import numpy as np
import pytest

from rnnexp.recurrence.fused.products import VECTOR_BYTES, add_outer_products, multiply, pack, padded

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
ROWS = [1, 3, 4, 5, 16]
SIZES = [1, 2, 7, 8, 9, 23, 24, 25, 50, 65]


@numba.njit
def product(A, B, C, add):
    multiply(A, pack(B), B.shape, C, add)


@numba.njit
def outer_products(left, right, n_columns, sums):
    add_outer_products(left, right, n_columns, sums)


@numba.njit
def row_length(n_columns, like):
    return padded(n_columns, like)


def draws(dtype, *shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def rows_for(dtype, n_rows, n_columns):
    """A buffer of rows as long as the products need them, marked with sevens."""
    return np.full((n_rows, row_length(n_columns, np.empty(0, dtype))), 7, dtype)


@DTYPES
def test_rows_are_an_odd_number_of_whole_vectors(dtype):
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    lengths = [row_length(n, np.empty(0, dtype)) for n in range(4 * lanes + 1)]
    assert all(length % lanes == 0 and length // lanes % 2 == 1 for length in lengths)
    assert all(n <= length for n, length in enumerate(lengths))


@DTYPES
@pytest.mark.parametrize("n_rows", ROWS)
def test_multiply_sets_or_adds_the_product(dtype, n_rows):
    for n_inner in SIZES:
        for n_columns in SIZES:
            A, B, C = (
                draws(dtype, n_rows, n_inner),
                draws(dtype, n_inner, n_columns),
                rows_for(dtype, n_rows, n_columns),
            )
            exact = A.astype(float) @ B.astype(float)
            product(A, B, C, False)
            np.testing.assert_allclose(C[:, :n_columns], exact, rtol=1e-4, atol=30 * np.finfo(dtype).eps)
            product(A, B, C, True)
            np.testing.assert_allclose(C[:, :n_columns], 2 * exact, rtol=1e-4, atol=60 * np.finfo(dtype).eps)


@DTYPES
def test_a_transposed_matrix_is_packed_as_well(dtype):
    A, B, C = draws(dtype, 4, 9), draws(dtype, 10, 9).T, rows_for(dtype, 4, 10)
    product(A, B, C, False)
    np.testing.assert_allclose(C[:, :10], A @ B, rtol=1e-4, atol=1e-5)


@DTYPES
def test_rows_do_not_depend_on_each_other(dtype):
    """The same bits for a row in a tile and for the same row alone."""
    A, B = draws(dtype, 7, 30), draws(dtype, 30, 50)
    together, alone = rows_for(dtype, 7, 50), rows_for(dtype, 1, 50)
    product(A, B, together, False)
    for row in range(7):
        product(A[row : row + 1], B, alone, False)
        assert np.array_equal(together[row, :50], alone[0, :50])


@DTYPES
def test_nan_stays_in_its_row(dtype):
    A, B, C = draws(dtype, 5, 6), draws(dtype, 6, 9), rows_for(dtype, 5, 9)
    A[3, 2] = np.nan
    product(A, B, C, False)
    assert np.isnan(C[:, :9]).all(axis=1).tolist() == [False, False, False, True, False]


@DTYPES
@pytest.mark.parametrize("n_rows", [1, 16, 63, 64, 65, 200])
def test_outer_products_are_summed_and_added(dtype, n_rows):
    for n_left in (1, 3, 4, 50):
        for n_right in (1, 8, 9, 25, 53):
            left, right = draws(dtype, n_rows, n_left), rows_for(dtype, n_rows, n_right)
            right[:, :n_right] = draws(dtype, n_rows, n_right)
            sums = rows_for(dtype, n_left, n_right)
            outer_products(left, right, n_right, sums)
            exact = 7 + left.T.astype(float) @ right[:, :n_right].astype(float)
            np.testing.assert_allclose(sums[:, :n_right], exact, rtol=1e-4, atol=200 * np.finfo(dtype).eps)
