// A worker in a process of its own: `node work.mjs QUEUE OPTIONS` (WorkerOptions as JSON). Prints ["ready"] when it
// takes jobs; SIGTERM closes it.
import { Worker } from "bullmq";
import { behaving } from "./behaviours.mjs";
import { connection, ledger, say } from "./wire.mjs";

const [queue, options] = process.argv.slice(2);
const common = { connection, prefix: process.env.TORIL_PREFIX };
const worker = new Worker(queue, behaving(ledger(process.env.LEDGER)), { ...common, ...JSON.parse(options ?? "{}") });
worker.on("error", (error) => say(["error", String(error)]));
process.once("SIGTERM", () => worker.close());
await worker.waitUntilReady();
say(["ready"]);
