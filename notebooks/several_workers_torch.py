"""The same on one worker or on several in PyTorch. Lesson 8 starts it, or torchrun does."""

import argparse
import datetime
import time

import numpy as np
import torch

from helpers import load_dataset
from helpers.torch_twin import build_torch_cnn, to_torch
from helpers.workers import join_workers

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", default="../scratch/several_workers_torch")
parser.add_argument("--wait", type=float, default=60, help="seconds for all to come")
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--dataset", default="fashion_mnist")
parser.add_argument("--images", type=int, default=10_000, help="of the training images")
parser.add_argument("--batch-size", type=int, default=64, help="of all workers together")
parser.add_argument("--optimizer", choices=("sgd", "adam"), default="adam")
parser.add_argument("--rate", type=float, default=0.001)
parser.add_argument("--floatx", choices=("float32", "float64"), default="float32")
parser.add_argument("--seed", type=int, default=0)
settings = vars(parser.parse_args())
folder, wait = settings.pop("folder"), settings.pop("wait")
dataset = load_dataset(settings.pop("dataset"))  # its path may be another one on each machine

with join_workers(dataset, settings, folder, wait=wait) as worker:
    torch.set_default_dtype(getattr(torch, settings["floatx"]))
    network = model = build_torch_cnn(dataset, seed=settings["seed"])
    if worker.count > 1:
        torch.distributed.init_process_group(
            "gloo", store=worker.store(), rank=worker.rank, world_size=worker.count,
            timeout=datetime.timedelta(seconds=40),  # then a worker that froze is given up
        )  # fmt: skip
        model = torch.nn.parallel.DistributedDataParallel(network)
    state = [*network.parameters()]
    if settings["optimizer"] == "sgd":
        optimizer = torch.optim.SGD(network.parameters(), settings["rate"])
    else:
        optimizer = torch.optim.Adam(network.parameters(), settings["rate"])
        for weight in network.parameters():  # as it makes it itself in the first step
            made = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
            optimizer.state[weight] = {"step": torch.tensor(0.0), **made}
            state += optimizer.state[weight].values()
    summed = torch.nn.CrossEntropyLoss(reduction="sum")

    def step(images, labels, whole):
        """DDP takes the mean of the workers' gradients, so the number of workers is made up for."""
        optimizer.zero_grad()
        pixels = to_torch(images.numpy()).to(torch.get_default_dtype())
        share = summed(model(pixels), torch.from_numpy(labels.numpy())) / int(whole)
        (share * worker.count).backward()
        optimizer.step()
        together = share.detach()
        if worker.count > 1:
            torch.distributed.all_reduce(together)
        return float(together)

    train = dataset.train.take(min(settings["images"], len(dataset.train)))
    losses, seconds, epochs = [], [], settings["epochs"]
    for epoch in worker.epochs(state, epochs):
        start = time.perf_counter()
        batches = worker.batches(train, settings["batch_size"], epoch, seed=settings["seed"])
        together, sizes = [], []
        for images, labels, whole in batches:
            together.append(step(images, labels, whole))
            sizes.append(int(whole))
        losses += together
        seconds.append(time.perf_counter() - start)
        if worker.rank == 0:  # all have the same to say
            said = f"mean loss {np.average(together, weights=sizes):.4f}, {seconds[-1]:.1f} seconds"
            print(f"Epoch {epoch + 1} of {epochs}: {said}", flush=True)
    worker.note(losses=losses, seconds=seconds, images=len(train))
    weights = [np.ravel(weight.detach().numpy()) for weight in network.parameters()]
    np.save(worker.folder / f"weights_{worker.rank}.npy", np.concatenate(weights))
    if worker.rank == 0:
        print(f"What was kept is in {worker.folder.resolve()}", flush=True)
    if worker.count > 1:
        torch.distributed.destroy_process_group()
