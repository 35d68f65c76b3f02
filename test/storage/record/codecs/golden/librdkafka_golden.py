"""librdkafka writes record batches with each of its codecs: run by make.sh.

    python3 librdkafka_golden.py DIRECTORY

Produces to the mock cluster that librdkafka brings along and fetches the batches as they lie there. DIRECTORY holds
NAME.records, as KafkaGolden.java says; librdkafka/CODEC-NAME.batch is written where the client compressed the batch
(it leaves alone what does not get smaller).
"""
import pathlib
import socket
import struct
import sys

import confluent_kafka

directory = pathlib.Path(sys.argv[1])
target = directory / "librdkafka"
target.mkdir(exist_ok=True)


def unhex(text):
    return None if text == "-" else bytes.fromhex(text)


def records_of(path):
    for line in path.read_text().splitlines():
        timestamp, key, value, headers = line.split("\t")
        pairs = [header.split("=") for header in headers.split(",") if header]
        yield int(timestamp), unhex(key), unhex(value), [(unhex(k).decode(), unhex(v)) for k, v in pairs]


def exactly(connection, count):
    data = b""
    while len(data) < count:
        data += connection.recv(count - len(data))
    return data


def fetch(host, port, topic):
    """The bytes of partition 0 from offset 0, by a Fetch request of version 4."""
    name = topic.encode()
    body = struct.pack(">iiiib", -1, 500, 1, 1 << 24, 0)
    body += struct.pack(">ih", 1, len(name)) + name + struct.pack(">iiqi", 1, 0, 0, 1 << 24)
    request = struct.pack(">hhih", 1, 4, 7, -1) + body
    with socket.create_connection((host, port)) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", exactly(connection, 4))
        answer = exactly(connection, length)
    # correlation, throttle, one topic with its name, one partition: number, error, two offsets, aborted, records.
    at = 4 + 4 + 4 + 2 + len(name) + 4 + 4
    error, _, _, aborted, size = struct.unpack_from(">hqqii", answer, at)
    if error or aborted > 0:
        raise SystemExit(f"fetch of {topic}: error {error}")
    at += struct.calcsize(">hqqii")
    return answer[at : at + size]


for path in sorted(directory.glob("*.records")):
    for codec in ["gzip", "snappy", "lz4", "zstd"]:
        producer = confluent_kafka.Producer(
            {"test.mock.num.brokers": 1, "compression.type": codec, "linger.ms": 500, "batch.size": 1 << 20}
        )
        topic = f"{codec}-{path.stem}"
        records = list(records_of(path))
        for timestamp, key, value, headers in records:
            producer.produce(topic, value=value, key=key, partition=0, timestamp=timestamp, headers=headers)
        # Not by flush(), which would send what has been queued so far and the rest in another batch.
        while len(producer) > 0:
            producer.poll(0.1)
        broker = next(iter(producer.list_topics(topic, 10).brokers.values()))
        batch = fetch(broker.host, broker.port, topic)
        (length,), (count,) = struct.unpack_from(">i", batch, 8), struct.unpack_from(">i", batch, 57)
        if len(batch) != length + 12 or count != len(records):
            raise SystemExit(f"{topic}: not one batch of {len(records)} records")
        is_compressed = struct.unpack_from(">h", batch, 21)[0] & 7
        if is_compressed:
            (target / f"{topic}.batch").write_bytes(batch)
        print(f"{topic:24} {len(batch):6} bytes{'' if is_compressed else '  not compressed'}")
print("by librdkafka", confluent_kafka.libversion()[0])
