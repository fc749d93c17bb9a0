"""Do all engines compute the same? One ONNX file, one input; differences relative to PyTorch's largest output."""
import subprocess
import sys
import tempfile

import numpy
import torch

import peer_models

MOST = 1e-3


def run_anet(options, path, x):
    with tempfile.TemporaryDirectory() as folder:
        bundle, given, answer = (f"{folder}/{name}" for name in ("model.anet", "x.npy", "y.npy"))
        numpy.save(given, x)
        for words in (["import", path, "--out", bundle], ["run", bundle, given, "--out", answer]):
            subprocess.run([options.anet, *words, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        return numpy.load(answer)


def run_ort(worker, options, name, x):
    x.tofile(f"{options.models}/check.x")
    worker.time("check", name, 1, 1)
    return numpy.fromfile(f"{options.models}/check.y", numpy.float32)


def check(names, worker, options):
    """A line a model; whether all agree."""
    has_import = subprocess.run([options.anet, "import", "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if has_import.returncode != 0:
        print(f"check: skipped, {options.anet} cannot import ONNX files", file=sys.stderr)
        return True
    print("check", "model", "anet", "onnxruntime", sep="\t")
    agree = True
    for name in names:
        model, shape = peer_models.build(name)
        x = torch.rand(1, *shape)
        with torch.no_grad():
            want = model(x).numpy().ravel()
        x = x.numpy()
        path = f"{options.models}/{name}_b1.onnx"
        errors = [abs(y.ravel() - want).max() / abs(want).max()
                  for y in (run_anet(options, path, x), run_ort(worker, options, name, x))]
        print("check", name, *(f"{e:.2e}" for e in errors), sep="\t", flush=True)
        agree = agree and max(errors) < MOST  # false for NaN too
    return agree
