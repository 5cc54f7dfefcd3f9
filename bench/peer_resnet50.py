"""ResNet-50 in PyTorch as its users write it: eager, channels last, SGD with momentum. `networks.js --torch` runs it for the comparison.

    python peer_resnet50.py BATCH ROUNDS

Prints one JSON object with the median milliseconds of a training step and of an inference pass on random 224 x 224 input.
"""

import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def unit(inputs, outputs, kernel, stride=1):
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    def __init__(self, inputs, width, stride, project):
        super().__init__()
        self.first, self.middle = unit(inputs, width, 1, stride), unit(width, width, 3)
        self.last = unit(width, 4 * width, 1)
        self.shortcut = unit(inputs, 4 * width, 1, stride) if project else nn.Identity()

    def forward(self, x):
        y = F.relu(self.middle(F.relu(self.first(x))))
        return F.relu(self.last(y) + self.shortcut(x))


def resnet50():
    layers = [unit(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for block in range(blocks):
            layers.append(Block(inputs, width, 2 if stage > 0 and block == 0 else 1, block == 0))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


def median_ms(work, rounds):
    times = []
    for _ in range(rounds + 2):  # the first two warm up
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times[2:])


def main(batch, rounds):
    model = resnet50().to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, 224, 224).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 1000
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-4)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    train = median_ms(step, rounds)
    model.eval()
    with torch.no_grad():
        inference = median_ms(lambda: model(images), rounds)
    print(json.dumps({"torch": torch.__version__, "trainMs": train, "inferenceMs": inference}))


main(int(sys.argv[1]), int(sys.argv[2]))
