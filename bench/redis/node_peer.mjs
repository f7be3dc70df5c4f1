// BullMQ on Node in one of the roles: node_peer.mjs HOME ROLE URL N CONCURRENCY. Prints one JSON line; a worker does so
// when it is told to end (SIGTERM). Times are seconds of CLOCK_MONOTONIC.
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const [home, role, url, count, concurrency] = process.argv.slice(2);
const { Queue, Worker } = createRequire(`${home}/`)("bullmq");
const { hostname: host, port } = new URL(url);
const connection = { host, port: Number(port) };
const n = Number(count), CHUNK = 1000, WARM = 50;
const now = () => Number(process.hrtime.bigint()) / 1e9;
const cpu = () => { const used = process.cpuUsage(); return (used.user + used.system) / 1e6; }; // prettier-ignore
const job = (i) => ({ i, pad: "x".repeat(160) });
const say = (value, then) => process.stdout.write(`${JSON.stringify(value)}\n`, then);

const roles = {
  async work() {
    const starts = [];
    const worker = new Worker("bench", async ({ data }) => { starts.push([data.i, now()]); }, { connection, concurrency: Number(concurrency) }); // prettier-ignore
    worker.on("error", (error) => console.error(error));
    process.once("SIGTERM", () => {
      say({ starts, cpu: cpu() }, () => process.exit(0));
    });
    await worker.waitUntilReady();
    say({ ready: true });
    await new Promise(() => {});
  },

  async bulk(queue) {
    await queue.addBulk([{ name: "noop", data: job(0) }]);
    const jobs = Array.from({ length: n - 1 }, (_, i) => ({ name: "noop", data: job(i + 1) }));
    const begin = now(), used = cpu();
    for (let k = 0; k < jobs.length; k += CHUNK) await queue.addBulk(jobs.slice(k, k + CHUNK));
    return { count: n - 1, seconds: now() - begin, cpu: cpu() - used };
  },

  async single(queue) {
    for (let i = 0; i < WARM; i++) await queue.add("noop", job(i));
    const begin = now(), used = cpu();
    for (let i = 0; i < n; i++) await queue.add("noop", job(i));
    return { count: n, seconds: now() - begin, cpu: cpu() - used };
  },

  async paced(queue) {
    const sent = [];
    for (let i = -5; i < n; i++) {
      await sleep(20 + 40 * Math.random());
      const at = now();
      await queue.add("noop", job(i));
      if (i >= 0) sent.push([i, at]);
    }
    return { sent };
  },
};

if (role === "work") await roles.work();
const queue = new Queue("bench", { connection });
say(await roles[role](queue), () => process.exit(0));
