#!/usr/bin/env bash
# Makes the golden batches anew, and has Kafka's Java client read ours. Not part of the tests: needs Java 17, Maven,
# Python 3.8 and the registries of both. Run it from the root of the repository, then look at the differences:
#
#   npm run build && test/storage/record/codecs/golden/make.sh
set -euo pipefail
kafka_clients=4.3.1
confluent_kafka=2.16.1
lz4=4.4.5

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

OCTOPUS_GOLDEN="$work/batches" node .build/test/storage/record/codecs/golden.test.js > "$work/test.log" || {
  cat "$work/test.log"
  exit 1
}

cat > "$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>golden</groupId><artifactId>golden</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId>
<version>$kafka_clients</version></dependency></dependencies></project>
POM
mvn -q -B -f "$work/pom.xml" dependency:build-classpath -Dmdep.outputFile="$work/classpath"
java -cp "$(cat "$work/classpath")" "$here/KafkaGolden.java" "$work/batches" | tee "$work/java-reads-ours.txt"

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "confluent-kafka==$confluent_kafka" "lz4==$lz4"
"$work/venv/bin/python" "$here/librdkafka_golden.py" "$work/batches"
"$work/venv/bin/python" "$here/lz4_frames.py" "$work/batches"

mkdir -p "$here/java" "$here/librdkafka" "$here/lz4"
cp "$work/batches/java/"* "$here/java/"
cp "$work/batches/librdkafka/"* "$here/librdkafka/"
cp "$work/batches/lz4/"* "$here/lz4/"
cp "$work/java-reads-ours.txt" "$here/java-reads-ours.txt"
