"""dctstream shards as a PyTorch Dataset of quantised DCT coefficients: any order, any number of workers. Needs pyarrow and numpy; torch only
for the DataLoader.

    python torch_dataset.py SHARDS     # SHARDS holds manifest.json; prints the first batch
"""
import bisect
import json
import os
import sys
import numpy as np
import pyarrow as pa
import decode_shard

try:
    from torch.utils.data import DataLoader, Dataset
except ImportError:  # the class works without it
    DataLoader, Dataset = None, object


class ShardDataset(Dataset):
    """Item i: (planes, label, key); planes are dequantised coefficients, float32 [blocks_high, blocks_wide, 64], of Y, Cb and Cr."""

    def __init__(self, folder):
        self.folder = folder
        self.manifest = json.load(open(os.path.join(folder, "manifest.json")))
        if any("seek" in s for s in self.manifest["shards"]):
            raise ValueError(f"{folder} is an index: most of its images stayed in their sources, as files")
        self.places = [(s["name"], b) for s in self.manifest["shards"] for b in range(len(s["batches"]))]
        counts = [b["samples"] for s in self.manifest["shards"] for b in s["batches"]]
        self.starts = np.concatenate([[0], np.cumsum(counts)]).tolist()
        self.opened = {}  # every DataLoader worker maps the shards it reads

    def __len__(self):
        return self.manifest["samples"]

    def __getitem__(self, i):
        if not 0 <= i < len(self):
            raise IndexError(i)
        batch = bisect.bisect_right(self.starts, i) - 1
        name, number = self.places[batch]
        if name not in self.opened:
            self.opened[name] = pa.ipc.open_file(pa.memory_map(os.path.join(self.folder, name)))
        record = self.opened[name].get_batch(number).slice(i - self.starts[batch], 1).to_pylist()[0]
        tables = np.frombuffer(record["quant_tables"], "<u2").reshape(-1, 64)
        planes = decode_shard.decode(record, self.manifest["codec"])
        planes = [p.astype(np.float32) * tables[c["quant_table"]] for p, c in zip(planes, record["components"])]
        return planes, record["label"], record["key"]

    def __getstate__(self):
        return {**self.__dict__, "opened": {}}  # maps do not travel between processes


if __name__ == "__main__":
    data = ShardDataset(sys.argv[1])
    items = [data[i] for i in range(min(4, len(data)))]
    if DataLoader is not None:  # images differ in size: lists, until they are cropped
        items = next(iter(DataLoader(data, batch_size=4, shuffle=True, num_workers=2, collate_fn=list)))
    for planes, label, key in items:
        print(key, label, *(plane.shape for plane in planes))
