// What all scripts of this folder share: where Redis is, and the ledger that Python's tests read.
import { openSync, writeSync } from "node:fs";

const url = new URL(process.env.TORIL_URL);
export const connection = { host: url.hostname, port: Number(url.port), db: Number(url.pathname.slice(1) || 0) };

// Returns a function that notes what a job does, one line an effect, as tests/ledger.py has them; CLOCK_MONOTONIC is
// the same for all processes.
export function ledger(path) {
  const file = openSync(path, "a");
  return (job, what) => {
    const at = Number(process.hrtime.bigint()) / 1e9;
    writeSync(file, `${job.id} ${job.attemptsStarted} ${process.pid} ${at} ${what}\n`);
  };
}

export const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
