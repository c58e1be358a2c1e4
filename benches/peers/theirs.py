"""The other side of peers.py: PyTorch and Zennit, one line in, one line out.

Lines and items are those of benches/peers/main.rs. The network, its data and the optimiser
stay in memory between repetitions, as they do on our side.
"""

import os
import resource
import sys
import time

import torch
from torch import nn
from zennit.attribution import Gradient
from zennit.canonizers import SequentialMergeBatchNorm
from zennit.composites import EpsilonAlpha2Beta1, EpsilonGammaBox, EpsilonPlus
from zennit.layer import Sum

DEVICE = os.environ.get("HEATPROOF_DEVICE", "cpu")
# Full f32, as ours; convolutions by whatever algorithm cuDNN finds fastest.
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True

COMPOSITES = {
    "epsilon_plus": EpsilonPlus,
    "epsilon_alpha2_beta1": EpsilonAlpha2Beta1,
    "epsilon_gamma_box": lambda **more: EpsilonGammaBox(low=-3.0, high=3.0, **more),
}


def plain(side):
    """Four blocks of convolution, batch norm, ReLU and pool, then two dense layers."""
    layers, channels = [], 1
    for width in (8, 16, 32, 64):
        layers += [
            nn.Conv3d(channels, width, 3, padding=1),
            nn.BatchNorm3d(width),
            nn.ReLU(),
            nn.MaxPool3d(2),
        ]
        channels = width
    features = channels * (side // 16) ** 3
    head = [nn.Flatten(), nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, 2)]
    return nn.Sequential(*layers, *head)


class Block(nn.Module):
    """Two convolutions and a way around them; the sum is a module, so that Zennit sees it."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv3d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv3d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        if channels == width:
            self.around = nn.Identity()
        else:
            conv = nn.Conv3d(channels, width, 1, stride, bias=False)
            self.around = nn.Sequential(conv, nn.BatchNorm3d(width))
        self.sum = Sum()
        self.relu2 = nn.ReLU()

    def forward(self, x):
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu2(self.sum(torch.stack([y, self.around(x)], dim=-1)))


def resnet18():
    """64 channels at half the side after a first convolution of 7 with stride 2, no pool."""
    first = [nn.Conv3d(1, 64, 7, 2, 3, bias=False), nn.BatchNorm3d(64), nn.ReLU()]
    blocks, channels = [], 64
    for width in (64, 128, 256, 512):
        for n in range(2):
            blocks.append(Block(channels, width, 2 if n == 0 and width > 64 else 1))
            channels = width
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(512, 2))


def convolution(which, cin, cout, side, batch):
    """One pass of a convolution, without a graph of gradients."""
    x = torch.randn(batch, cin, side, side, side, device=DEVICE)
    dy = torch.randn(batch, cout, side, side, side, device=DEVICE)
    w = torch.randn(cout, cin, 3, 3, 3, device=DEVICE)
    return convolution_of(which, x, dy, w)


def convolution_of(which, x, dy, w):
    """The same on given arrays."""
    if which == "conv_forward":
        return lambda: torch.conv3d(x, w, padding=1)
    mask = [which == "conv_grad_input", which == "conv_grad_weight", False]
    one, none = [1, 1, 1], [0, 0, 0]
    return lambda: torch.ops.aten.convolution_backward(
        dy, x, w, None, one, one, one, False, none, 1, mask
    )


def train(net, x):
    """Forward, backward and a step of AdamW."""
    net.train()
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3)
    classes = (torch.arange(len(x)) % 2).to(x.device)

    def step():
        optimiser.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(net(x), classes).backward()
        optimiser.step()

    return step


def relevance(net, x, composite):
    """Maps of class 0; gradients by the weights are not asked for."""
    net.eval().requires_grad_(False)
    target = torch.eye(2)[torch.zeros(len(x), dtype=torch.long)].to(x.device)
    composite = COMPOSITES[composite](canonizers=[SequentialMergeBatchNorm()])

    def explain():
        with Gradient(model=net, composite=composite) as attributor:
            # Maps are handed over as arrays of the host, as on our side.
            return attributor(x, target)[1].cpu()

    return explain


def reinitialised(net, x):
    """Maps of another network each time, batch norms with the statistics of the images."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = 1.0

    def explain():
        for module in net.modules():
            if isinstance(module, (nn.Conv3d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)
        net.train()
        with torch.no_grad():
            net(x)
        return relevance(net, x, "epsilon_plus")()

    return explain


def forward(net, x):
    """Logits in inference mode."""
    net.eval()

    def logits():
        with torch.no_grad():
            return net(x)

    return logits


def made(item, given, dtype):
    """What comes out of an item in this type, by name, for what goes in."""
    word, *numbers = item.split()
    given = {name: array.to(dtype) for name, array in given.items()}
    x = given["x"]
    if word.startswith("conv_"):
        made = convolution_of(word, x, given["dy"], given["w"])()
        return {"y": next(y for y in made if y is not None) if isinstance(made, tuple) else made}
    net = plain(int(numbers[0])).to(dtype)
    convs = [m for m in net if isinstance(m, nn.Conv3d)]
    norms = [m for m in net if isinstance(m, nn.BatchNorm3d)]
    dense = [m for m in net if isinstance(m, nn.Linear)]
    named = [(f"conv{n}", m) for n, m in enumerate(convs)]
    named += [(f"dense{n}", m) for n, m in enumerate(dense)]
    tensors = [(f"{name}.{p}", getattr(m, p)) for name, m in named for p in ("weight", "bias")]
    if word == "train":
        names = {"gamma": "weight", "beta": "bias"}
        for n, m in enumerate(norms):
            tensors += [(f"norm{n}.{ours}", getattr(m, p)) for ours, p in names.items()]
    else:
        # Batch norm has been folded into the weights given.
        net = nn.Sequential(*[m for m in net if not isinstance(m, nn.BatchNorm3d)])
    with torch.no_grad():
        for name, tensor in tensors:
            tensor.copy_(given[name])
    if word == "train":
        net.train()
        nn.functional.cross_entropy(net(x), torch.arange(len(x)) % 2).backward()
        # The batch norm takes a convolution's bias away: its gradient is rounding alone.
        centred = {f"conv{n}.bias" for n in range(len(convs))}
        return {name: tensor.grad for name, tensor in tensors if name not in centred}
    net.eval().requires_grad_(False)
    target = torch.eye(2, dtype=dtype)[torch.zeros(len(x), dtype=torch.long)]
    with Gradient(model=net, composite=COMPOSITES[word]()) as attributor:
        # Relevance starts with the score, as ours does, not with 1.
        return {"map": attributor(x, lambda logits: logits * target)[1]}


def errors(path, item):
    """Largest error against f64, of ours and of f32 here; relative to the largest number."""
    from safetensors.torch import load_file

    given = load_file(path)
    ours = {n.removeprefix("out."): given.pop(n) for n in list(given) if n.startswith("out.")}
    truth, theirs = (made(item, given, dtype) for dtype in (torch.float64, torch.float32))

    def worst(got):
        return max(
            ((got[name].double() - true).abs().max() / true.abs().max()).item()
            for name, true in truth.items()
        )

    return f"{worst(ours)} {worst(theirs)}"


def build(item):
    """The work an item stands for."""
    word, *numbers = item.split()
    numbers = [int(n) for n in numbers]
    if word.startswith("conv_"):
        with torch.no_grad():
            return convolution(word, *numbers)
    side, batch = numbers
    x = torch.randn(batch, 1, side, side, side, device=DEVICE)
    net = (resnet18() if word.startswith("resnet_") else plain(side)).to(DEVICE)
    word = word.removeprefix("resnet_")
    if word == "train":
        return train(net, x)
    if word == "reinitialised":
        return reinitialised(net, x)
    return forward(net, x) if word == "forward" else relevance(net, x, word)


def main():
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    name, work = None, None
    for line in sys.stdin:
        word, *rest = line.strip().split(" ", 2)
        if word == "memory":
            card = DEVICE.startswith("cuda")
            host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            answer = torch.cuda.max_memory_allocated() if card else host
        elif word == "run":
            count, item = int(rest[0]), rest[1]
            if item != name:
                # The old one goes first, so that both are never in memory.
                work = None
                work = build(item)
                work()
                name = item
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(count):
                work()
            if DEVICE != "cpu":
                torch.cuda.synchronize()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            answer = f"{cpu / count} {wall / count}"
        elif word == "errors":
            answer = errors(*rest)
        elif word == "versions":
            import importlib.metadata

            zennit = importlib.metadata.version("zennit")
            capability = torch.backends.cpu.get_cpu_capability()
            answer = f"torch {torch.__version__}, zennit {zennit}, {capability}"
        else:
            raise SystemExit(f"unknown line {line!r}")
        print(answer, flush=True)


if __name__ == "__main__":
    main()
