#!/usr/bin/env bash
# Asks event-ruler anew what it says of the conformance table and of random patterns. Not part of the tests: needs
# Java 17, Maven and its registry. Run it from the root of the repository, then look at the differences:
#
#   npm run build && test/broker/filters/event-ruler/ask.sh
set -euo pipefail
event_ruler=2.1.0

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

OCTOPUS_QUESTIONS="$work/questions.json" node .build/test/broker/filters/event-ruler.test.js > "$work/test.log"

cat > "$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>questions</groupId><artifactId>questions</artifactId><version>1</version>
<dependencies><dependency><groupId>software.amazon.event.ruler</groupId><artifactId>event-ruler</artifactId>
<version>$event_ruler</version></dependency></dependencies></project>
POM
mvn -q -B -f "$work/pom.xml" dependency:build-classpath -Dmdep.outputFile="$work/classpath"
java -cp "$(cat "$work/classpath")" "$here/EventRulerVerdicts.java" "$work/questions.json" "$here/verdicts.json" "$event_ruler"
npx biome format --write "$here/verdicts.json"
