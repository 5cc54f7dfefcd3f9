"""Reads a dctstream shard with pyarrow and numpy alone; docs/shards.md explains the layout.

    python decode_shard.py shard-00000-00000.arrow     # one line per sample: key, label, component shapes
"""
import sys
import numpy as np
import pyarrow as pa

ZIGZAG = np.array(sorted(range(64), key=lambda n: (n // 8 + n % 8, n // 8 if (n // 8 + n % 8) % 2 else n % 8)))


def load(packed, at, stored, raw, codec):
    bytes_ = packed[at:at + stored]
    if stored != raw:
        bytes_ = pa.Codec(codec).decompress(bytes_, decompressed_size=raw)
    return np.frombuffer(bytes_, np.uint8)


def decode(row, codec="zstd", rows_per_frame=16):
    """Quantised coefficients of each component, int16 [blocks_high, blocks_wide, 64], natural order."""
    packed, parts = row["coefficients"], row["components"]
    assert packed, f"{row['key']} stayed in its source, which an index only points to"
    frames = [(c, first) for c, part in enumerate(parts) for first in range(0, part["stored_high"], rows_per_frame)]
    sizes = np.frombuffer(packed, "<u4", 3 * len(frames)).reshape(-1, 3)
    planes, at = [np.zeros((p["stored_high"], p["stored_wide"], 64), np.int16) for p in parts], sizes.nbytes
    for (c, first), (mask_bytes, value_bytes, escape_bytes) in zip(frames, sizes.tolist()):
        scan = np.zeros(planes[c][first:first + rows_per_frame].shape, np.int16)
        blocks = scan.shape[0] * scan.shape[1]
        masks = load(packed, at, mask_bytes, 8 * blocks, codec)
        masks = masks.reshape(8, blocks).T if codec == "zstd" else masks.reshape(blocks, 8)
        bits = np.unpackbits(np.ascontiguousarray(masks), axis=1, bitorder="little").astype(bool)
        values = load(packed, at + mask_bytes, value_bytes, int(bits.sum()), codec).view(np.int8).astype(np.int16)
        escaped = values == -128
        escapes = load(packed, at + mask_bytes + value_bytes, escape_bytes, 2 * int(escaped.sum()), codec)
        values[escaped] = escapes.view("<i2")
        scan.reshape(blocks, 64)[bits] = values
        scan[:, 0, 0] = np.cumsum(scan[:, 0, 0], dtype=np.int16)     # first column: difference to the block above
        scan[:, :, 0] = np.cumsum(scan[:, :, 0], axis=1, dtype=np.int16)  # elsewhere: to the block on the left
        planes[c][first:first + rows_per_frame, :, ZIGZAG] = scan
        at += mask_bytes + value_bytes + escape_bytes
    return [plane[:p["blocks_high"], :p["blocks_wide"]] for plane, p in zip(planes, parts)]


if __name__ == "__main__":
    shard = pa.ipc.open_file(sys.argv[1])
    for i in range(shard.num_record_batches):
        for row in shard.get_batch(i).to_pylist():
            planes = decode(row, shard.schema.metadata[b"dctstream.codec"].decode())
            print(row["key"], row["label"], *(plane.shape[:2] for plane in planes))
