"""nvrtc.py LIBRARY SOURCE PTX OPTION...: compiles kernels with NVRTC, as the program does on a card."""

import ctypes
import sys

library, source, ptx, *options = sys.argv[1:]
nvrtc = ctypes.CDLL(library)
with open(source, "rb") as file:
    text = file.read()
program = ctypes.c_void_p()
nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, None, 0, None, None)
words = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
code = nvrtc.nvrtcCompileProgram(program, len(options), words)


def told(what):
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    held = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{what}")(program, held)
    return held.value


log = told("ProgramLog")
if code != 0 or log:
    sys.exit(log.decode() or f"NVRTC failed with code {code}")
made, kernels = told("PTX"), text.count(b"\nKERNEL(") + text.count(b"\nCURVE(")
if made.count(b".entry") != kernels:
    sys.exit(f"{kernels} kernels in the source, {made.count(b'.entry')} in what NVRTC made")
with open(ptx, "wb") as file:
    file.write(made)
