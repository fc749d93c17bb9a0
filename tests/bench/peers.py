"""anet beside other engines, by turns: see peers.sh."""
import argparse
import fnmatch
import os
import statistics
import subprocess
import sys
import time

import peer_check
import peer_models

HERE = os.path.dirname(os.path.abspath(__file__))

# peer, model ("train:" a training step), batch, threads, ratio of times anet / peer that is aimed at (None: none)
ROWS = [
    ("onnxruntime", "resnet50", 1, 1, 0.85),
    ("onnxruntime", "resnet50", 1, 2, 0.87),
    ("onnxruntime", "resnet18", 1, 1, 0.70),
    ("onnxruntime", "resnet18", 1, 2, 0.80),
    ("onnxruntime", "mobilenet_v2", 1, 1, 0.82),
    ("onnxruntime", "mobilenet_v2", 1, 2, 0.82),
    ("onnxruntime", "mobilenet_v1", 1, 1, 0.89),
    ("onnxruntime", "squeezenet1_1", 1, 1, 0.78),
    ("onnxruntime", "mobilenet_v2", 32, 2, 0.75),
    ("pytorch", "train:resnet20_32", 32, 2, 0.85),
    ("pytorch", "train:mobilenet_v2_32", 32, 2, 0.55),
    ("pytorch", "train:resnet18_32", 32, 2, 0.90),
    ("pytorch", "resnet50", 1, 1, None),
    ("pytorch", "mobilenet_v2", 1, 1, None),
]

# Some engines' threads spin for a while after their work; nobody is timed meanwhile.
PAUSE = 0.06


class Worker:
    """A process that answers `KIND NAME BATCH RUNS` with the milliseconds of each run."""

    def __init__(self, command, threads, variables=None):
        cores = "0" if threads == 1 else f"0-{threads - 1}"
        self.process = subprocess.Popen(
            ["taskset", "-c", cores, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **(variables or {})})

    def time(self, kind, name, batch, runs):
        self.process.stdin.write(f"{kind} {name} {batch} {runs}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if len(answer) != runs:
            sys.exit(f"peers: a worker failed at {kind} {name}, batch {batch}: {' '.join(self.process.args)}")
        return [float(ms) for ms in answer]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def new_worker(who, threads, options):
    """Each engine as its makers would run it where it counts."""
    count = str(threads)
    if who == "anet":
        return Worker([options.anet, f"{HERE}/peer_anet.lua", count], threads)
    if who == "onnxruntime":
        return Worker(["node", f"{HERE}/peer_ort.js", count, options.models], threads)
    # Blocks are kept rather than given back to the system each time, which can halve PyTorch's speed.
    return Worker([sys.executable, f"{HERE}/peer_torch.py", count], threads, {
        "ATEN_CPU_CAPABILITY": "avx512" if has_avx512() else "avx2", "OMP_NUM_THREADS": count,
        "MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
        "MALLOC_TOP_PAD_": str(1 << 30), "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"})


def has_avx512():
    with open("/proc/cpuinfo") as file:
        return "avx512bw" in file.read()


def make_model(name, batch, folder):
    path = f"{folder}/{name}_b{batch}.onnx"
    if not os.path.exists(path):
        peer_models.export(name, batch, path + ".new")
        os.rename(path + ".new", path)


def turn(worker, job, per_turn):
    """Two runs, or one long one, to warm up; then as many as fill a turn."""
    warm = worker.time(*job, 1)[0]
    if warm < per_turn / 4:
        warm = worker.time(*job, 1)[0]
    times = worker.time(*job, max(1, min(100, int(per_turn / warm))))
    time.sleep(PAUSE)
    return times


def compare(row, workers, options):
    peer, model, batch, threads, target = row
    kind, name = ("train", model[6:]) if model.startswith("train:") else ("model", model)
    if peer == "onnxruntime":
        make_model(name, batch, options.models)
    for who in ("anet", peer):
        if (who, threads) not in workers:
            workers[who, threads] = new_worker(who, threads, options)
        workers[who, threads].time(kind, name, batch, 2)  # load, and let it settle
    times = {"anet": [], peer: []}
    for n in range(options.rounds):
        for who in (("anet", peer), (peer, "anet"))[n % 2]:
            times[who] += turn(workers[who, threads], (kind, name, batch), options.turn)
    per = 1 if kind == "train" else batch
    least = [min(times[who]) / per for who in ("anet", peer)]
    middle = [statistics.median(times[who]) / per for who in ("anet", peer)]
    cells = [peer, model, batch, threads, *(f"{ms:.3f}" for ms in least), f"{least[0] / least[1]:.3f}",
             target or "-", *(f"{ms:.3f}" for ms in middle), f"{middle[0] / middle[1]:.3f}"]
    print(*cells, sep="\t", flush=True)


def wanted(row, options):
    if options.only:
        return any(fnmatch.fnmatch(f"{row[0]} {row[1]} b{row[2]} t{row[3]}", f"*{p}*") for p in options.only.split(","))
    return options.all or row[4] is not None


def check(rows, options):
    names = sorted({row[1] for row in rows if row[0] == "onnxruntime"})
    for name in names:
        make_model(name, 1, options.models)
    worker = new_worker("onnxruntime", 1, options)
    agree = peer_check.check(names, worker, options)
    worker.stop()
    return agree


def main():
    parser = argparse.ArgumentParser(prog="peers.sh", description="anet beside other engines, by turns.")
    parser.add_argument("--rounds", type=int, help="turns of each (9)")
    parser.add_argument("--turn", type=float, default=250, help="milliseconds of a turn")
    parser.add_argument("--only", metavar="PATTERN", help="rows with this in 'PEER MODEL bBATCH tTHREADS'; commas, * and ?")
    parser.add_argument("--all", action="store_true", help="rows without a target too")
    parser.add_argument("--quick", action="store_true", help="3 short rounds: does it work?")
    parser.add_argument("--check", action="store_true", help="do the engines compute the same? no times")
    parser.add_argument("--anet", default="build/release/anet", help="the command to time")
    parser.add_argument("--models", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 9)
    options.turn = 50 if options.quick else options.turn
    os.makedirs(options.models, exist_ok=True)
    rows = [row for row in ROWS if wanted(row, options)]
    if options.check:
        sys.exit(0 if check(rows, options) else 1)
    print("peer", "model", "batch", "threads", "anet_ms", "peer_ms", "ratio", "target", "anet_median", "peer_median",
          "ratio_median", sep="\t")
    workers = {}
    for row in rows:
        compare(row, workers, options)
    for worker in workers.values():
        worker.stop()


main()
