"""The LZ4 library of C writes frames with what Kafka's clients leave out but may use: run by make.sh.

    python3 lz4_frames.py DIRECTORY

Packs the values of DIRECTORY/films.records, one after the other, into DIRECTORY/lz4/NAME.lz4. `linked` is what the
Python clients of Kafka send: they take the defaults of this library.
"""
import importlib.metadata
import pathlib
import sys

import lz4.frame as lz4

directory = pathlib.Path(sys.argv[1])
(directory / "lz4").mkdir(exist_ok=True)
lines = (directory / "films.records").read_text().splitlines()
content = b"".join(bytes.fromhex(line.split("\t")[2]) for line in lines)

frames = {
    "linked": {},
    "linked-checksums": {"content_checksum": True, "block_checksum": True, "store_size": False},
    "independent-256k": {"block_linked": False, "block_size": lz4.BLOCKSIZE_MAX256KB, "content_checksum": True},
    "one-block": {"block_size": lz4.BLOCKSIZE_MAX4MB, "compression_level": 12, "block_checksum": True},
}
for name, options in frames.items():
    frame = lz4.compress(content, **options)
    (directory / "lz4" / f"{name}.lz4").write_bytes(frame)
    print(f"{name:24} {len(frame):6} bytes")
print("by lz4", importlib.metadata.version("lz4"))
