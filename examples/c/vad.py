"""Finds speech in sound, as vad.c does, from Python without any package: the library is called through ctypes.

    python3 examples/c/vad.py examples/c/vad/libvad.so examples/c/vad/vad.psn < sound.f32

vad.c says how the library is made, and what the samples are.
"""

import ctypes
import sys

SAMPLES, OK, F32, I64 = 512, 0, 1, 8


class Tensor(ctypes.Structure):
    """psn_tensor of the header."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_uint64),
        ("capacity", ctypes.c_uint64),
        ("dtype", ctypes.c_uint32),
        ("rank", ctypes.c_uint32),
        ("dims", ctypes.c_int64 * 32),
    ]


def open_library(path):
    lib = ctypes.CDLL(path)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    lib.psn_load.argtypes = [ctypes.c_char_p, pointer, pointer, pointer, size]
    lib.psn_run.argtypes = [pointer, pointer, size, pointer, size]
    lib.psn_error.argtypes = lib.psn_free.argtypes = [pointer]
    lib.psn_error.restype = ctypes.c_char_p
    if lib.psn_abi_version() != 1:
        sys.exit("the library is of another ABI version")
    return lib


def main(library, bundle):
    lib = open_library(library)
    model, error = ctypes.c_void_p(), ctypes.create_string_buffer(512)
    if lib.psn_load(bundle.encode(), None, ctypes.byref(model), error, len(error)) != OK:
        sys.exit(error.value.decode())
    rate, probability = ctypes.c_int64(16000), ctypes.c_float()
    while len(samples := sys.stdin.buffer.read(4 * SAMPLES)) == 4 * SAMPLES:
        inputs = (Tensor * 2)(
            Tensor(ctypes.cast(samples, ctypes.c_void_p), len(samples), 0, F32, 2, (1, SAMPLES)),
            Tensor(ctypes.addressof(rate), 8, 0, I64, 0),
        )
        outputs = (Tensor * 1)(Tensor(ctypes.addressof(probability), 0, 4))
        if lib.psn_run(model, inputs, 2, outputs, 1) != OK:
            sys.exit(lib.psn_error(model).decode())
        print(f"{probability.value:.9g}")
    lib.psn_free(model)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
