"""Matrix products inside kernels: C = A B and C += A B, for A (R, I) and B (I, J) that meet in every time step.

A BLAS packs its matrices anew in every call, which takes longer than the product of a few trials with the weights of
a small network. Here B is packed once, by `pack`, into panels of at most PANEL vectors of columns. A tile, TILE rows
of one panel of C or a single one, stays in vector registers while it is summed over I; these loops are written in the
language of LLVM, because no compiler finds them by itself. The sum of an entry runs in the order of I, in one chain,
so it does not depend on the other rows. I must be at least 1.

Vectors reach past the last column: the rows of C, and of a B that is not packed, hold `padded(J)` entries. Those
beyond J have no meaning.
"""

from functools import reduce
from itertools import product

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rnnexp.recurrence.fused.compilation import Array, inner

VECTOR_BYTES = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 32
TILE, PANEL = 4, 3  # 12 sums, 3 vectors of B and an entry of A: the 16 registers of AVX
SUMMED_ROWS = 64  # rows whose outer products are summed up before the next panel's, by measurement

_INT = ir.IntType(64)


@inner
def padded(n_columns: int, like: Array) -> int:
    """Return the length of rows of n_columns entries, like those of an array, that vectors may reach past.

    It is an odd number of vectors: rows at a distance of a power of 2 would compete for the same places of a cache.
    """
    lanes = VECTOR_BYTES // like.itemsize
    return ((n_columns + lanes - 1) // lanes | 1) * lanes


@inner
def pack(B: Array) -> Array:
    """Return the panels of B (I, J), each (I, its columns), one after the other as one row; 0 beyond J."""
    lanes = VECTOR_BYTES // B.itemsize
    width = _whole_vectors(B.shape[1] * B.itemsize) // B.itemsize
    packed = np.zeros(B.shape[0] * width, B.dtype)
    position = 0
    for first in range(0, width, PANEL * lanes):
        stop = min(first + PANEL * lanes, width)
        for i in range(B.shape[0]):
            for j in range(first, min(stop, B.shape[1])):
                packed[position + j - first] = B[i, j]
            position += stop - first
    return packed


@inner
def multiply(A: Array, packed: Array, shape: tuple[int, int], C: Array, add: bool, column: int = 0) -> None:
    """Set the first J columns of C to A B, or add it to them.

    Args:
        A: (R, >= column + I).
        packed: of B.
        shape: I, J.
        C: (R, padded J).
        add: whether to add.
        column: of A, from which on its I columns count.
    """
    n_inner, n_columns = shape
    width, b = _whole_vectors(n_columns * C.itemsize), 0
    for first in range(0, width, PANEL * VECTOR_BYTES):
        panel = min(PANEL * VECTOR_BYTES, width - first)
        _panel(A, column * A.itemsize, A.strides, packed, b, panel, panel, C, first, len(C), n_inner, add)
        b += n_inner * panel


@inner
def add_outer_products(
    left: Array, right: Array, n_columns: int, sums: Array, start: int = 0, stop: int = -1
) -> None:
    """Add the outer products of the rows of left and right to sums.

    Args:
        left: (R, X).
        right: (R, padded Y).
        n_columns: Y.
        sums: (X, padded Y).
        start: first column of left, and row of sums, that counts.
        stop: one after the last; -1 for all.
    """
    strides = left.strides[1], left.strides[0]
    n_rows = (len(sums) if stop < 0 else stop) - start
    own, c = start * left.strides[1], start * sums.strides[0]
    width = _whole_vectors(n_columns * sums.itemsize)
    for row in range(0, len(left), SUMMED_ROWS):
        n_inner = min(SUMMED_ROWS, len(left) - row)
        a, b = row * left.strides[0], row * right.strides[0]
        for first in range(0, width, PANEL * VECTOR_BYTES):
            panel = min(PANEL * VECTOR_BYTES, width - first)
            _panel(
                left,
                a + own,
                strides,
                right,
                b + first,
                right.strides[0],
                panel,
                sums,
                c + first,
                n_rows,
                n_inner,
                True,
            )


@inner
def _whole_vectors(n_bytes: int) -> int:
    return (n_bytes + VECTOR_BYTES - 1) // VECTOR_BYTES * VECTOR_BYTES


@inner
def _panel(
    A: Array, a: int, a_strides: tuple[int, int], B: Array, b: int, b_stride: int, width: int, C: Array, c: int,
    n_all: int, n_inner: int, add: bool,
) -> None:  # fmt: skip
    """Sum n_all rows of the panel of C that begins at c; a, b, c, strides and width are bytes."""
    row = 0
    while row < n_all:
        n_rows = TILE if n_all - row >= TILE else 1
        a_row, c_row = a + row * a_strides[0], c + row * C.strides[0]
        _tile(
            A, a_row, a_strides[0], a_strides[1], B, b, b_stride, C, c_row, C.strides[0],
            n_rows, width // VECTOR_BYTES, n_inner, add,
        )  # fmt: skip
        row += n_rows


@intrinsic
def _tile(context, A, a, a_row, a_inner, B, b, b_inner, C, c, c_row, n_rows, n_vectors, n_inner, add):  # noqa: ANN001, ANN202
    """Sum one tile of C: choose the loop for its size; for the arguments see `_write_loop`."""
    ints = [types.intp] * 3
    signature = types.void(A, *ints, B, *ints[:2], C, *ints[:2], *ints, types.boolean)

    def write(target, builder, signature, arguments):  # noqa: ANN001, ANN202
        builder.function.attributes.add("noinline")  # a kernel needs the loops once
        A, a, a_row, a_inner, B, b, b_inner, C, c, c_row, n_rows, n_vectors, n_inner, add = arguments
        a, b, c = (
            builder.add(offset, builder.ptrtoint(target.make_array(kind)(target, builder, array).data, _INT))
            for kind, array, offset in zip(
                (signature.args[i] for i in (0, 4, 7)), (A, B, C), (a, b, c), strict=True
            )
        )
        number = target.get_value_type(signature.args[0].dtype)
        end = builder.append_basic_block()
        choice = builder.switch(builder.add(builder.mul(n_rows, _INT(PANEL + 1)), n_vectors), end)
        for rows, vectors in product((1, TILE), range(1, PANEL + 1)):
            builder.position_at_end(builder.append_basic_block())
            choice.add_case(_INT(rows * (PANEL + 1) + vectors), builder.block)
            _write_loop(builder, number, rows, vectors, a, a_row, a_inner, b, b_inner, c, c_row, n_inner, add)
            builder.branch(end)
        builder.position_at_end(end)
        return target.get_dummy_value()

    return signature, write


def _write_loop(
    builder: ir.IRBuilder, number: ir.Type, n_rows: int, n_vectors: int, a: ir.Value, a_row: ir.Value,
    a_inner: ir.Value, b: ir.Value, b_inner: ir.Value, c: ir.Value, c_row: ir.Value, n_inner: ir.Value, add: ir.Value,
) -> None:  # fmt: skip
    """Write the loop over I of a tile.

    Args:
        builder: where.
        number: type of the entries.
        n_rows: rows of the tile.
        n_vectors: vectors of columns of the tile.
        a: address of the first entry of A; a_row and a_inner are the bytes to the next row and the next in I.
        b: of B, and b_inner.
        c: of C, and c_row.
        n_inner: I.
        add: whether C is added to.
    """
    n_lanes = VECTOR_BYTES // (4 if isinstance(number, ir.FloatType) else 8)
    vector = ir.VectorType(number, n_lanes)
    tile = list(product(range(n_rows), range(n_vectors)))

    def at(address: ir.Value, type_: ir.Type) -> ir.Value:
        return builder.inttoptr(address, type_.as_pointer())

    def plus(address: ir.Value, *offsets: ir.Value) -> ir.Value:
        return reduce(builder.add, offsets, address)

    def load(address: ir.Value, type_: ir.Type) -> ir.Value:
        return builder.load(at(address, type_), align=4)

    cells = [plus(c, builder.mul(c_row, _INT(r)), _INT(VECTOR_BYTES * v)) for r, v in tile]
    zero = ir.Constant(vector, None)
    starts = [builder.select(add, load(cell, vector), zero) for cell in cells]
    before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.branch(loop)

    builder.position_at_end(loop)
    counters = [builder.phi(_INT) for _ in range(3)]
    sums = [builder.phi(vector) for _ in tile]
    k, a_now, b_now = counters
    columns = [load(plus(b_now, _INT(VECTOR_BYTES * v)), vector) for v in range(n_vectors)]
    rows = [plus(a_now, builder.mul(a_row, _INT(r))) for r in range(n_rows)]
    entries = [_spread(builder, load(row, number), vector) for row in rows]
    multiply_add = builder.module.declare_intrinsic(
        f"llvm.fmuladd.v{n_lanes}f{8 * VECTOR_BYTES // n_lanes}", fnty=ir.FunctionType(vector, [vector] * 3)
    )
    operands = [(entries[r], columns[v], total) for (r, v), total in zip(tile, sums, strict=True)]
    nexts = [builder.call(multiply_add, three) for three in operands]
    steps = [plus(k, _INT(1)), plus(a_now, a_inner), plus(b_now, b_inner)]
    phis, firsts = [*counters, *sums], [_INT(0), a, b, *starts]
    for phi, first, following in zip(phis, firsts, [*steps, *nexts], strict=True):
        phi.add_incoming(first, before)
        phi.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", steps[0], n_inner), loop, after)

    builder.position_at_end(after)
    for cell, total in zip(cells, nexts, strict=True):
        builder.store(total, at(cell, vector), align=4)


def _spread(builder: ir.IRBuilder, value: ir.Value, vector: ir.VectorType) -> ir.Value:
    """Fill a vector with one number."""
    nothing = ir.Constant(vector, ir.Undefined)
    first = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(builder.insert_element(nothing, value, ir.IntType(32)(0)), nothing, first)
