"""How far Captum's integrated gradients in float32 are from float64 (docs/agreement.md).

usage: integrated_gradients.py MAKE_GOLDEN.py FIRST_SEED LAST_SEED
Made with PyTorch 2.15, Captum 0.9.0, Zennit 0.5.1. Prints, for every seed and network, the
largest |difference| over the largest |float32|: of the network in float64; the same at points
rounded to float32; of float32 without oneDNN; and the rectifiers that decide otherwise.
"""
import copy
import sys

import torch
import torch.nn as nn

script, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
text = open(script).read().split("for mi, (name")[0]
exec(text.split("out, off =")[0] + text.split("exist_ok=True)", 1)[1])
from captum.attr._utils.approximation_methods import approximation_parameters

WEIGHTS, POINTS = (f(64) for f in approximation_parameters("gausslegendre"))


def network(seed, number, nodes, shape):
    torch.manual_seed(1000 * seed + number)
    net = Graph(nodes).eval()
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.BatchNorm3d):
                m.weight.copy_(torch.rand_like(m.weight) + 0.5); m.bias.copy_(torch.randn_like(m.bias) * 0.3)
                m.running_mean.copy_(torch.randn_like(m.running_mean) * 0.3); m.running_var.copy_(torch.rand_like(m.running_var) + 0.5)
    return net, torch.randn(*shape).clamp(LOW, HIGH)


def by_hand(net, x, target, point):
    total = 0
    for t, w in zip(POINTS, WEIGHTS):
        p = point(t).detach().requires_grad_(True)
        total = total + w * torch.autograd.grad(net(p).gather(1, target[:, None]).sum(), p)[0]
    return total * x


for seed in range(first, last + 1):
    for number, (name, (nodes, shape)) in enumerate(MODELS.items()):
        net, x = network(seed, number, nodes, shape)
        target, wide = net(x).detach().argmax(1), copy.deepcopy(net).double()
        ig = IntegratedGradients(net).attribute(x, torch.zeros_like(x), target, n_steps=64, method="gausslegendre").detach()
        gap = lambda a: ((a.double() - ig.double()).abs().max() / ig.abs().max()).item()
        f64 = by_hand(wide, x.double(), target, lambda t: t * x.double())
        rounded = by_hand(wide, x.double(), target, lambda t: (t * x).double())
        with torch.backends.mkldnn.flags(enabled=False):
            other = by_hand(net, x, target, lambda t: t * x)
        print(f"{seed} {name}: float64 {gap(f64):.1e}, at rounded points {gap(rounded):.1e}, without oneDNN {gap(other):.1e}")
        for n, t in enumerate(POINTS):
            narrow, exact = {}, {}
            net(t * x, narrow), wide(t * x.double(), exact)
            for node in nodes:
                if node["op"] in ("relu", "leaky_relu"):
                    a, b = narrow[node["inputs"][0]], exact[node["inputs"][0]]
                    for at in ((a > 0) != (b > 0)).nonzero().tolist():
                        print(f"  point {n}, t {t:.3f}, {node['name']} {at}: {a[tuple(at)]:.1e}, in float64 {b[tuple(at)]:.1e}")
