"""Times the operations of `crates/pegbar-cpu/examples/bench_ops.rs` in PyTorch, one thread; CPU seconds.

`python torch_ops.py [WORD [SIDE]]`. Convolutions are tried in both layouts and the faster one counts.
"""
import sys, time
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_grad_enabled(False)
WORD = sys.argv[1] if len(sys.argv) > 1 else ""
N = int(sys.argv[2]) if len(sys.argv) > 2 else 256


def best(f, runs=7):
    f()
    times = []
    for _ in range(runs):
        start = time.thread_time()
        f()
        times.append(time.thread_time() - start)
    return min(times)


def conv(cin, cout, k, stride=1, groups=1):
    def run():
        x = torch.randn(1, cin, N, N)
        w = torch.randn(cout, cin // groups, k, k)
        b = torch.randn(cout)
        pad = k // 2 if stride == 1 else (k - 1) // 2
        plain = best(lambda: F.conv2d(x, w, b, stride, pad, 1, groups))
        x = x.to(memory_format=torch.channels_last)
        w = w.to(memory_format=torch.channels_last)
        last = best(lambda: F.conv2d(x, w, b, stride, pad, 1, groups))
        rows = float("inf")
        if k == 1:
            t, m = torch.randn(N * N, cin), torch.randn(cout, cin)
            rows = best(lambda: F.linear(t, m, b))
        return min(plain, last, rows)

    return run


def window(heads, d, block, shift=(0, 0)):
    def run():
        h, w = block
        c = heads * d
        n = h * w
        qkv = torch.randn(1, N, N, 3 * c)
        bias = torch.randn(heads, n, n)
        mask = torch.zeros((N // h) * (N // w), n, n) if shift != (0, 0) else None

        def f():
            x = torch.roll(qkv, (-shift[0], -shift[1]), (1, 2)) if mask is not None else qkv
            t = x.view(N // h, h, N // w, w, 3, heads, d).permute(4, 0, 2, 5, 1, 3, 6).reshape(3, -1, heads, n, d)
            q, k, v = t[0], t[1], t[2]
            a = (q * 0.2) @ k.transpose(-2, -1) + bias
            if mask is not None:
                a = a + mask[:, None]
            o = a.softmax(-1) @ v
            o = o.transpose(1, 2).reshape(N // h, N // w, h, w, c).permute(0, 2, 1, 3, 4).reshape(1, N, N, c)
            return torch.roll(o, shift, (1, 2)) if mask is not None else o

        def fused():
            x = torch.roll(qkv, (-shift[0], -shift[1]), (1, 2)) if mask is not None else qkv
            t = x.view(N // h, h, N // w, w, 3, heads, d).permute(4, 0, 2, 5, 1, 3, 6).reshape(3, -1, heads, n, d)
            m = bias[None] if mask is None else bias[None] + mask[:, None]
            o = F.scaled_dot_product_attention(t[0], t[1], t[2], m, scale=0.2)
            o = o.transpose(1, 2).reshape(N // h, N // w, h, w, c).permute(0, 2, 1, 3, 4).reshape(1, N, N, c)
            return torch.roll(o, shift, (1, 2)) if mask is not None else o

        return min(best(f, 4), best(fused, 4))

    return run


def channels(heads, d, block=None):
    def run():
        c = heads * d
        if block is None:
            qkv = torch.randn(3, heads, d, N * N)
        else:
            h, w = block
            qkv = torch.randn(3, N // h * (N // w), heads, d, h * w)
        scale = torch.randn(heads, 1, 1)

        def f():
            q, k, v = F.normalize(qkv[0], dim=-1), F.normalize(qkv[1], dim=-1), qkv[2]
            return ((q @ k.transpose(-2, -1)) * scale).softmax(-1) @ v

        return best(f)

    return run


def transposed(c, k, pad):
    def run():
        w = torch.randn(c, c, k, k)
        x = torch.randn(1, c, N, N)
        y = x.to(memory_format=torch.channels_last)
        return min(best(lambda: F.conv_transpose2d(t, w, None, 2, pad)) for t in (x, y))

    return run


def unary(c, f, layouts=2):
    def run():
        x = torch.randn(1, c, N, N)
        y = x.to(memory_format=torch.channels_last)
        return min(best(lambda: f(t)) for t in (x, y)[:layouts])

    return run


def norm(c):
    def run():
        x, w, b = torch.randn(N * N, c), torch.randn(c), torch.randn(c)
        return best(lambda: F.layer_norm(x, (c,), w, b))

    return run


G = torch.randn(64)
CASES = {
    "conv 1x1 60-180": conv(60, 180, 1),
    "conv 1x1 60-60": conv(60, 60, 1),
    "conv 1x1 180-360": conv(180, 360, 1),
    "conv 1x1 180-180": conv(180, 180, 1),
    "conv 1x1 64-64": conv(64, 64, 1),
    "conv 17x17 16-16": conv(16, 16, 17),
    "conv 5x5 48-48": conv(48, 48, 5),
    "conv 3x3 s2 64-64": conv(64, 64, 3, 2),
    "depthwise 3x3 180": conv(180, 180, 3, 1, 180),
    "depthwise 5x5 64": conv(64, 64, 5, 1, 64),
    "depthwise 7x7 64": conv(64, 64, 7, 1, 64),
    "depthwise 13x13 64": conv(64, 64, 13, 1, 64),
    "depthwise 17x17 64": conv(64, 64, 17, 1, 64),
    "window 8x8, 6 x 10": window(6, 10, (8, 8)),
    "window 8x8, 6 x 30": window(6, 30, (8, 8)),
    "window 8x8 shifted, 6 x 30": window(6, 30, (8, 8), (4, 4)),
    "window 8x8, 4 x 16": window(4, 16, (8, 8)),
    "window 8x32, 3 x 10": window(3, 10, (8, 32)),
    "window 8x32, 3 x 30": window(3, 30, (8, 32)),
    "window 16x16, 6 x 30": window(6, 30, (16, 16)),
    "channels of the picture, 6 x 30": channels(6, 30),
    "channels of 8x8, 4 x 16": channels(4, 16, (8, 8)),
    "transposed 2x2 s2 64-64": transposed(64, 2, 0),
    "transposed 4x4 s2 64-64": transposed(64, 4, 1),
    "layer norm 60": norm(60),
    "layer norm 180": norm(180),
    "group norm 64/4": unary(64, lambda x: F.group_norm(x, 4, G, G)),
    "gelu 180": unary(180, F.gelu),
    "softmax of channels 64": unary(64, lambda x: x.softmax(1)),
    "gate: mean of the picture times value 64": unary(64, lambda x: x * x.mean((2, 3), keepdim=True)),
    "bilinear x2 64": unary(64, lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")),
    "bilinear x2 3": unary(3, lambda x: F.interpolate(x, scale_factor=2, mode="bilinear")),
    "bicubic x2 3": unary(3, lambda x: F.interpolate(x, scale_factor=2, mode="bicubic")),
    "shuffle by 2, 64": unary(64, lambda x: F.pixel_shuffle(x, 2)),
    "unshuffle by 2, 16": unary(16, lambda x: F.pixel_unshuffle(x, 2)),
    "max pool 2x2 64": unary(64, lambda x: F.max_pool2d(x, 2)),
    "average pool 2x2 64": unary(64, lambda x: F.avg_pool2d(x, 2)),
}
for name, run in CASES.items():
    if WORD in name:
        print(f"{name:42} {run() * 1e3:8.2f} ms", flush=True)
