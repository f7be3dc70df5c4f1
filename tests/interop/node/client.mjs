// An application on Node that does what tests tell it: one call a line on stdin, its answer a line on stdout.
//
//   {prefix, ledger, call: [method, ...args]}         a method of the world under that prefix (world.mjs)
//   {…, queue, call: [method, ...args]}               a method of that Queue
//   {…, queue, job, call: [method, ...args]}          a method of that Job
//   {prefix, forget: true}                            the world is closed
//
// Answers are {value} or {error}.
import { createInterface } from "node:readline";
import { World } from "./world.mjs";
import { say } from "./wire.mjs";

const worlds = new Map();

async function answer({ prefix, ledger, queue, job, call, forget }) {
  if (forget) {
    await worlds.get(prefix)?.close();
    worlds.delete(prefix);
    return null;
  }
  if (!worlds.has(prefix)) worlds.set(prefix, new World(prefix, ledger));
  let target = worlds.get(prefix);
  if (queue !== undefined) target = target.queue(queue);
  if (job !== undefined) target = await target.getJob(job);
  const [method, ...args] = call;
  return target[method] instanceof Function ? target[method](...args) : target[method].get(...args);
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    say({ value: (await answer(JSON.parse(line))) ?? null });
  } catch (error) {
    say({ error: `${error.name}: ${error.message}` });
  }
}
process.exit(0);
