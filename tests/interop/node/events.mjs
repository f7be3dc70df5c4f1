// Prints what QueueEvents hears of a queue, one JSON line each: [event, arguments]. `node events.mjs QUEUE`.
import { QueueEvents } from "bullmq";
import { connection, prefix, say } from "./wire.mjs";

const NAMES = [
  "active", "added", "cleaned", "completed", "deduplicated", "delayed", "drained", "duplicated", "error", "failed",
  "paused", "progress", "removed", "resumed", "retries-exhausted", "stalled", "waiting", "waiting-children",
]; // prettier-ignore

const events = new QueueEvents(process.argv[2], { connection, prefix, lastEventId: "0-0" });
for (const name of NAMES) {
  events.on(name, (args) => say([name, args instanceof Error ? String(args) : (typeof args === "object" ? args : {})]));
}
process.once("SIGTERM", () => events.close());
await events.waitUntilReady();
say(["ready", {}]);
