"""loops.py MACHINE_CODE: of each kernel of convolutions, how many instructions of its longest loop
are multiply-adds. MACHINE_CODE is what nvdisasm prints of a cubin."""

import re
import sys

kernels, name = {}, None
for line in open(sys.argv[1]):
    line = line.strip()
    if kernel := re.match(r"\.text\.(\w+):", line):
        name = kernel.group(1)
        kernels[name] = []
    elif name and (label := re.match(r"(\.L_x_\d+):", line)):
        kernels[name].append(("label", label.group(1)))
    elif name and (instruction := re.match(r"/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+ )?\s*(.*?);", line)):
        kernels[name].append(("instruction", instruction.group(1)))

for name, lines in sorted(kernels.items()):
    labels = {word: at for at, (kind, word) in enumerate(lines) if kind == "label"}
    longest = []
    for at, (kind, word) in enumerate(lines):
        jump = re.search(r"\bBRA\b.*(\.L_x_\d+)", word) if kind == "instruction" else None
        start = labels.get(jump.group(1), at) if jump else at
        body = [word for kind, word in lines[start : at + 1] if kind == "instruction"]
        if jump and start < at and len(body) > len(longest):
            longest = body
    adds = sum(bool(re.match(r"[FD]FMA\b", word)) for word in longest)
    if longest and name.startswith(("convolve", "weigh")):
        print(f"sm_90 {name:28} {adds:5} of {len(longest)} instructions of its loop are multiply-adds")
