// An application on Node that does what a test tells it: one call a line on stdin, its answer a line on stdout.
//
//   {queue, method, args}            a method of that Queue
//   {queue, job, method, args}       a method of that Job
//   {result: {queue, job}}           what a job returned, or why it failed, heard by QueueEvents
//   {flow}                           FlowProducer.add
//   {run: {queue, ...WorkerOptions}} a worker until no job is ready; the answer is how many jobs it ran
//   {take: {queue, token}}           a job taken by hand, as `worker.getNextJob`
//   {stall: {queue}}                 a job taken by hand, whose lock runs out, found so by the sweeps
//
// Answers are {value} or {error}.
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { behave } from "./behaviours.mjs";
import { connection, prefix, say } from "./wire.mjs";

const queues = new Map();
const listeners = new Map();
const producer = new FlowProducer({ connection, prefix });

function queueOf(name) {
  if (!queues.has(name)) queues.set(name, new Queue(name, { connection, prefix }));
  return queues.get(name);
}

async function result({ queue, job: id }) {
  if (!listeners.has(queue)) listeners.set(queue, new QueueEvents(queue, { connection, prefix }));
  const events = listeners.get(queue);
  await events.waitUntilReady();
  const job = await queueOf(queue).getJob(id);
  return job.waitUntilFinished(events, 20_000);
}

async function run({ queue, ...options }) {
  let ran = 0;
  const worker = new Worker(queue, behave, { connection, prefix, autorun: false, ...options });
  worker.on("completed", () => ran++);
  worker.on("failed", () => ran++);
  const drained = new Promise((resolve, reject) => {
    worker.once("drained", resolve);
    worker.once("error", reject);
  });
  worker.run().catch(() => {}); // what it says is heard as an error
  await drained;
  await worker.close();
  return ran;
}

async function take({ queue, token, ...options }) {
  const worker = new Worker(queue, null, { connection, prefix, ...options });
  await worker.waitUntilReady();
  const job = await worker.getNextJob(token, { block: false });
  await worker.close();
  return job ?? null;
}

async function stall({ queue, ...options }) {
  await take({ queue, token: "lost", lockDuration: 1, ...options });
  const worker = new Worker(queue, null, { connection, prefix, stalledInterval: 1, ...options });
  await worker.waitUntilReady();
  for (let sweep = 0; sweep < 2; sweep++) {
    await sleep(5); // the lock, then the mutex of the sweeps, run out
    await worker.moveStalledJobsToWait();
  }
  await worker.close();
}

async function answer({ queue, job, method, args = [], flow, ...does }) {
  if (flow) return producer.add(flow);
  if (does.result) return result(does.result);
  if (does.run) return run(does.run);
  if (does.take) return take(does.take);
  if (does.stall) return stall(does.stall);
  const target = job === undefined ? queueOf(queue) : await queueOf(queue).getJob(job);
  return target[method](...args);
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    say({ value: (await answer(JSON.parse(line))) ?? null });
  } catch (error) {
    say({ error: `${error.name}: ${error.message}` });
  }
}
await producer.close();
for (const open of [...queues.values(), ...listeners.values()]) await open.close();
