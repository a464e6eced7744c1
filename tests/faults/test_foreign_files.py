"""Files that others wrote: whatever is in them, they are read as numbers or refused in one sentence, quickly."""

import io
import os
import pickle
import random
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnnexp.array_files import load_arrays
from rnnexp.commands.array_files import read_array
from rnnexp.constraints import array_files as masks
from rnnexp.errors import UserError
from rnnexp.interop import spikernn
from rnnexp.interop.npz_file import read_npz
from rnnexp.simulator.loading import load as load_network
from rnnexp.tasks.time_series.reading import read_table

COUNT = 300 if os.environ.get("RNNEXP_FAULTS") == "long" else 40


class Payload:
    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def npy(array, **settings):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **settings)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def zipped(entries, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def claiming(shape):
    """A .npy file whose header claims a shape that it does not hold."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(800)


def mat():
    from scipy.io import savemat

    file = io.BytesIO()
    savemat(file, {"w": np.ones((4, 4)), "activation": "sigmoid"}, do_compression=True)
    return file.getvalue()


SERIES = np.arange(60.0).reshape(20, 3)
READERS = {
    "series.npy": read_table,
    "series.npz": read_table,
    "series.csv": read_table,
    "stimulus.npy": lambda path: read_array("inputs", path),
    "stimulus.npz": lambda path: read_array("inputs", path),
    "mask.npy": lambda path: masks._load("W_rec", Path(path)),
    "mask.npz": lambda path: masks._load("W_rec", Path(path)),
    "weights.npz": read_npz,
    "psychrnn.npz": load_network,
    "spikernn.mat": lambda path: spikernn._load(Path(path)),
}
SOUND = {
    ".npy": npy(SERIES),
    ".npz": npz(W_rec=SERIES),
    ".csv": b"a,b,c\n" + b"1.5,2,3\n" * 20,
    ".mat": mat(),
}
BAD = {
    "empty": b"",
    "zeros": bytes(400),
    "a text": b"hello\n",
    "a pickle": pickle.dumps(Payload()),
    "claims 10^12 numbers": claiming((10**12,)),
    "claims 10^19 numbers": claiming((10**10, 10**9)),
    "claims less than none": claiming((-3, 4)),
    "claims no shape": claiming("shape"),
    "pickled objects": npy(np.array([Payload()], dtype=object), allow_pickle=True),
    "an archive of pickles": zipped(
        {"W_rec.npy": npy(np.array([Payload()], dtype=object), allow_pickle=True)}
    ),
    "an archive with a claim": zipped({"W_rec.npy": claiming((10**12,))}),
    "an archive of nothing": zipped({}),
    "an archive of texts": zipped({"W_rec.npy": b"hello"}),
    "packed by bzip2": zipped({"W_rec.npy": npy(SERIES)}, zipfile.ZIP_BZIP2)[:-30],
    "texts": npy(np.array(["a", "b"])),
    "complex numbers": npy(np.array([1j, 2j])),
    "named columns": npy(np.zeros(3, dtype=[("a", float), ("b", int)])),
    "dates": npy(np.array(["2026-01-01"], dtype="datetime64[D]")),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(600),
    "quotes that stay open": b'a,b\n"1,2\n' * 50,
    "ragged": b"1,2\n3\n4,5,6,7\n",
}


def mutations(content, seed):
    draw = random.Random(seed)
    for number in range(COUNT):
        changed = bytearray(content)
        kind = number % 4
        if kind == 0:
            del changed[draw.randrange(len(changed)) :]
        elif kind == 1:
            changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        elif kind == 2:
            position = draw.randrange(len(changed))
            changed[position : position + 16] = bytes(draw.randrange(256) for _ in range(16))
        else:
            position = draw.randrange(len(changed))
            changed[position:position] = bytes(draw.randrange(256) for _ in range(40))
        yield f"mutation {number}", bytes(changed)


@pytest.mark.parametrize("name", READERS)
def test_a_file_is_read_or_refused_in_one_sentence(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    sound = SOUND[Path(name).suffix]
    for fault, content in [("none", sound), *BAD.items(), *mutations(sound, name)]:
        Path(name).write_bytes(content)
        begin = time.perf_counter()
        refusal = refusal_of(READERS[name], name)
        assert refusal is None or (len(refusal.splitlines()) == 1 and name in refusal), (fault, refusal)
        assert time.perf_counter() - begin < 10, fault
        assert not Path("ran").exists(), fault


def refusal_of(read, name):
    try:
        read(name)
    except (UserError, ValueError) as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", [name for name in READERS if name.endswith(".npz")])
def test_a_small_archive_does_not_fill_the_memory(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rnnexp.array_files.ALWAYS_ALLOWED", 10**6)
    Path(name).write_bytes(zipped({"W_rec.npy": npy(np.zeros(10**6))}))
    with pytest.raises((UserError, ValueError), match="cannot be read"):
        READERS[name](name)


def test_what_numpy_writes_is_read(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=SERIES, b=np.array(3), c=np.asfortranarray(SERIES), d=np.array("relu"))
    arrays = load_arrays(path)
    assert {name: arrays[name].tolist() for name in arrays} == {
        "a": SERIES.tolist(), "b": 3, "c": SERIES.tolist(), "d": "relu"
    }  # fmt: skip
    np.save(tmp_path / "x.npy", SERIES[:, ::2])
    assert np.array_equal(load_arrays(tmp_path / "x.npy"), SERIES[:, ::2])
