// A fleet of Node's that works and meddles at random: `node fuzz.mjs SECONDS SEED QUEUE...`; then it works until SIGTERM.
// Prints how often each error came.
import { setTimeout as sleep } from "node:timers/promises";
import { FlowProducer, Queue, UnrecoverableError, Worker } from "bullmq";
import { connection, say } from "./wire.mjs";

const [seconds, seed, ...names] = process.argv.slice(2);
const prefix = process.env.TORIL_PREFIX;
const common = { connection, prefix };
let state = Number(seed) || 1;
const random = () => ((state = (state * 48271) % 2147483647) / 2147483647);
const below = (most) => Math.floor(random() * most);
const pick = (all) => all[below(all.length)];

const queues = names.map((name) => new Queue(name, common));
const flows = new FlowProducer(common);
const errors = {};
const count = (where, error) => {
  const text = `${where}: ${String(error.message).replace(/\b(t?[0-9a-z]{16,}|\d+)\b/g, "#").slice(0, 160)}`;
  errors[text] = (errors[text] ?? 0) + 1;
};

const workers = names.map((name) => {
  const worker = new Worker(name, async (job) => {
    await sleep(below(20));
    if (random() < 0.1) await job.log("line");
    if (random() < 0.1) await job.updateProgress(below(100));
    const chance = random();
    if (chance < 0.1) throw new Error("boom");
    if (chance < 0.13) throw new UnrecoverableError("no use");
    return below(100);
  }, { ...common, concurrency: 4, lockDuration: 3000, stalledInterval: 1000 });
  worker.on("error", (error) => count("worker", error));
  return worker;
});

const options = () => ({
  attempts: 1 + below(3),
  ...(random() < 0.3 && { delay: below(500) }),
  ...(random() < 0.3 && { priority: 1 + below(3) }),
  ...(random() < 0.1 && { lifo: true }),
  ...(random() < 0.3 && { backoff: { type: pick(["fixed", "exponential"]), delay: below(100) } }),
  ...(random() < 0.2 && { removeOnComplete: pick([true, 5, { age: 1 }]) }),
  ...(random() < 0.2 && { removeOnFail: pick([true, 5, { age: 1 }]) }),
});
const keys = () => pick([
  { id: `k${below(3)}` }, { id: `t${below(3)}`, ttl: 200 }, { id: `r${below(3)}`, replace: true, ttl: 300, extend: true },
  { id: `l${below(3)}`, keepLastIfActive: true },
]);
const policy = () => pick([{}, { failParentOnFailure: true }, { continueParentOnFailure: true },
  { ignoreDependencyOnFailure: true }, { removeDependencyOnFailure: true }]);
const tree = (depth) => ({
  name: "flow", queueName: pick(names), data: {}, opts: { ...options(), ...(depth < 2 && policy()) },
  ...(depth > 0 && { children: Array.from({ length: 1 + below(3) }, () => tree(depth - 1 - below(2))) }),
});
const some = async (queue, ...states) => {
  const jobs = (await queue.getJobs(states, 0, 20)).filter(Boolean);
  return jobs.length ? pick(jobs) : undefined;
};

const moves = [
  [20, (queue) => queue.add("n", { a: 1 }, options())],
  [5, (queue) => queue.addBulk(Array.from({ length: 10 }, () => ({ name: "b", data: {}, opts: options() })))],
  [6, (queue) => queue.add("d", {}, { ...options(), deduplication: keys() })],
  [6, () => flows.add(tree(2))],
  [3, async (queue) => (await some(queue, "failed"))?.retry("failed")],
  [2, async (queue) => (await some(queue, "completed"))?.retry("completed")],
  [3, async (queue) => (await some(queue, "delayed"))?.promote()],
  [4, async (queue) => (await some(queue, "waiting", "delayed", "prioritized", "failed", "completed", "waiting-children"))?.remove()],
  [2, async (queue) => (await some(queue, "waiting", "prioritized"))?.changePriority({ priority: below(4) })],
  [2, async (queue) => (await some(queue, "delayed"))?.changeDelay(below(300))],
  [1, async (queue) => { await queue.pause(); await sleep(below(100)); await queue.resume(); }],
  [1, (queue) => queue.promoteJobs()],
  [1, (queue) => queue.retryJobs({ count: 10 })],
  [1, (queue) => queue.clean(pick([0, 1000]), 10, pick(["completed", "failed", "wait", "delayed", "prioritized"]))],
  [1, (queue) => queue.upsertJobScheduler(`s${below(3)}`, { every: 200 + 100 * below(3) }, { name: "tick", opts: options() })],
  [1, (queue) => queue.removeJobScheduler(`s${below(3)}`)],
  [0.5, async (queue) => { await queue.setGlobalConcurrency(2); await sleep(100); await queue.removeGlobalConcurrency(); }],
  [0.5, async (queue) => { await queue.setGlobalRateLimit(5, 100); await sleep(200); await queue.removeGlobalRateLimit(); }],
  [0.5, async (queue) => (await some(queue, "waiting-children"))?.removeUnprocessedChildren()],
];
const weight = moves.reduce((sum, [share]) => sum + share, 0);

async function meddle() {
  let at = random() * weight;
  const move = moves.find(([share]) => (at -= share) < 0) ?? moves[0];
  try {
    await move[1](pick(queues));
  } catch (error) {
    count(move[1].toString().slice(0, 60), error);
  }
}

say(["ready"]);
const end = Date.now() + 1000 * Number(seconds);
await Promise.all([1, 2, 3].map(async () => { while (Date.now() < end) await meddle(); }));
say(["meddled", errors]);
process.once("SIGTERM", async () => {
  await Promise.all(workers.map((worker) => worker.close()));
  say(["errors", errors]);
  process.exit(0);
});
