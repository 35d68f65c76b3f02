/*
 * Kafka's own client writes record batches with each of its codecs, and reads those that we wrote: run by make.sh.
 *
 *   java -cp CLASSPATH KafkaGolden.java DIRECTORY
 *
 * DIRECTORY holds NAME.records and ours/CODEC-NAME.batch; java/CODEC-NAME.batch is written. A line of records is
 * "timestamp TAB key TAB value TAB headers", headers "name=value,…"; everything but the timestamp in hex, "-" is null.
 */
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.AppInfoParser;

public class KafkaGolden {
  record Given(long timestamp, byte[] key, byte[] value, Header[] headers) {}

  public static void main(String[] args) throws Exception {
    Path directory = Path.of(args[0]);
    Files.createDirectories(directory.resolve("java"));
    Map<String, Compression> codecs = new LinkedHashMap<>();
    codecs.put("gzip", Compression.gzip().build());
    codecs.put("snappy", Compression.snappy().build());
    codecs.put("lz4", Compression.lz4().build());
    codecs.put("lz4level17", Compression.lz4().level(17).build());
    codecs.put("zstd", Compression.zstd().build());
    codecs.put("zstdlevel22", Compression.zstd().level(22).build());
    boolean isFine = true;
    for (Path path : sorted(directory, "*.records")) {
      String name = path.getFileName().toString().replace(".records", "");
      List<Given> records = new ArrayList<>();
      for (String line : Files.readAllLines(path)) records.add(given(line.split("\t", -1)));
      for (var codec : codecs.entrySet()) {
        var builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 20), RecordBatch.MAGIC_VALUE_V2,
            codec.getValue(), TimestampType.CREATE_TIME, 0L);
        for (Given record : records) builder.append(record.timestamp, record.key, record.value, record.headers);
        write(directory.resolve("java/" + codec.getKey() + "-" + name + ".batch"), builder.build());
      }
      for (Path ours : sorted(directory.resolve("ours"), "*-" + name + ".batch")) {
        String problem = problemOf(ByteBuffer.wrap(Files.readAllBytes(ours)), records);
        isFine &= problem == null;
        System.out.printf("%-24s %6d bytes %4d records  %s%n", ours.getFileName(), Files.size(ours),
            records.size(), problem == null ? "read as written" : problem);
      }
    }
    System.out.println("by kafka-clients " + AppInfoParser.getVersion());
    System.exit(isFine ? 0 : 1);
  }

  static List<Path> sorted(Path directory, String pattern) throws Exception {
    List<Path> paths = new ArrayList<>();
    try (var found = Files.newDirectoryStream(directory, pattern)) {
      for (Path path : found) paths.add(path);
    }
    Collections.sort(paths);
    return paths;
  }

  static void write(Path path, MemoryRecords records) throws Exception {
    ByteBuffer buffer = records.buffer().duplicate();
    byte[] bytes = new byte[buffer.remaining()];
    buffer.get(bytes);
    Files.write(path, bytes);
  }

  static String problemOf(ByteBuffer bytes, List<Given> expected) {
    try {
      int at = 0;
      for (var batch : MemoryRecords.readableRecords(bytes).batches()) {
        batch.ensureValid();
        for (var record : batch) {
          Given given = expected.get(at);
          if (record.offset() != at) return "record " + at + " has offset " + record.offset();
          boolean isSame = record.timestamp() == given.timestamp
              && Arrays.equals(array(record.key()), given.key)
              && Arrays.equals(array(record.value()), given.value)
              && Arrays.equals(record.headers(), given.headers);
          if (!isSame) return "record " + at + " is another one";
          at++;
        }
      }
      return at == expected.size() ? null : at + " records, not " + expected.size();
    } catch (Exception error) {
      return error.toString();
    }
  }

  static byte[] array(ByteBuffer buffer) {
    if (buffer == null) return null;
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return bytes;
  }

  static Given given(String[] fields) {
    List<Header> headers = new ArrayList<>();
    if (!fields[3].isEmpty())
      for (String header : fields[3].split(",")) {
        String[] parts = header.split("=", -1);
        headers.add(new RecordHeader(new String(hex(parts[0]), StandardCharsets.UTF_8), hex(parts[1])));
      }
    return new Given(Long.parseLong(fields[0]), hex(fields[1]), hex(fields[2]), headers.toArray(new Header[0]));
  }

  static byte[] hex(String text) {
    return text.equals("-") ? null : HexFormat.of().parseHex(text);
  }
}
