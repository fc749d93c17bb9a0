"""PyTorch as a worker: answers `KIND NAME BATCH RUNS` lines (KIND: model, train) with milliseconds, one a run."""
import sys
import time

import torch
from torch import nn

import peer_models


def milliseconds(run):
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)


def model_job(name, batch):
    model, shape = peer_models.build(name)
    x = torch.rand(batch, *shape).to(memory_format=torch.channels_last)
    model = model.to(memory_format=torch.channels_last)
    with torch.no_grad():
        traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))

    def run():
        with torch.no_grad():
            traced(x)
    return run


def train_job(name, batch):
    model, shape = peer_models.build(name)
    model = model.train().to(memory_format=torch.channels_last)
    x = torch.rand(batch, *shape).to(memory_format=torch.channels_last)
    y, loss = torch.arange(batch) % 10, nn.CrossEntropyLoss()
    sgd = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def run():
        sgd.zero_grad(set_to_none=True)
        loss(model(x), y).backward()
        sgd.step()

    def update_as(foreach):
        for group in sgd.param_groups:
            group["foreach"] = foreach

    def best_of(foreach, runs=4):
        update_as(foreach)
        return min(milliseconds(run) for _ in range(runs))
    update_as(best_of(True) < best_of(False))  # all parameters at once pays where they are small
    return run


def main():
    torch.set_num_threads(int(sys.argv[1]))
    jobs, make = {}, {"model": model_job, "train": train_job}
    for line in sys.stdin:
        kind, name, batch, runs = line.split()
        key = kind, name, batch
        if key not in jobs:
            jobs.clear()
            jobs[key] = make[kind](name, int(batch))
        print(*(milliseconds(jobs[key]) for _ in range(int(runs))), flush=True)


main()
