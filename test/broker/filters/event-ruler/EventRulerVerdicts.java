/*
 * Asks event-ruler, the open matcher behind EventBridge, which events match which patterns. Reads
 * {"events": [text], "cases": [{"rule": text, "events": [index]}]} and writes it with the "verdicts" of each case,
 * a letter for each event: 1 it matches, 0 it does not, r the rule is refused, e the event is.
 */
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import software.amazon.event.ruler.Machine;

public class EventRulerVerdicts {
  public static void main(String[] files) throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode root = (ObjectNode) mapper.readTree(new File(files[0]));
    ArrayNode events = (ArrayNode) root.get("events");
    for (JsonNode item : root.get("cases")) {
      Machine machine = Machine.builder().build();
      boolean isRule = true;
      try {
        machine.addRule("rule", item.get("rule").asText());
      } catch (Exception refused) {
        isRule = false;
      }
      StringBuilder verdicts = new StringBuilder();
      for (JsonNode index : item.get("events")) {
        verdicts.append(isRule ? verdict(machine, events.get(index.asInt()).asText()) : 'r');
      }
      ((ObjectNode) item).put("verdicts", verdicts.toString());
    }
    try (PrintStream out = new PrintStream(new File(files[1]), StandardCharsets.UTF_8)) {
      out.println("{\"eventRuler\": " + mapper.writeValueAsString(files[2]) + ",");
      lines(out, mapper, "events", events);
      out.println(",");
      lines(out, mapper, "cases", (ArrayNode) root.get("cases"));
      out.println("}");
    }
  }

  private static char verdict(Machine machine, String event) {
    try {
      return machine.rulesForJSONEvent(event).isEmpty() ? '0' : '1';
    } catch (Exception refused) {
      return 'e';
    }
  }

  /** An entry a line, so that a change shows as one. */
  private static void lines(PrintStream out, ObjectMapper mapper, String name, ArrayNode list) throws Exception {
    out.println("\"" + name + "\": [");
    for (int i = 0; i < list.size(); i++) {
      out.println(mapper.writeValueAsString(list.get(i)) + (i + 1 < list.size() ? "," : ""));
    }
    out.print("]");
  }
}
