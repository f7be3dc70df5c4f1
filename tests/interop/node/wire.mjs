// What all scripts of this folder share: where Redis is, and the ledger that Python's tests read.
import { openSync, writeSync } from "node:fs";

const url = new URL(process.env.TORIL_URL);
export const prefix = process.env.TORIL_PREFIX;
export const connection = { host: url.hostname, port: Number(url.port), db: Number(url.pathname.slice(1) || 0) };

const ledger = process.env.LEDGER && openSync(process.env.LEDGER, "a");

// One line an effect, as tests/ledger.py has them; CLOCK_MONOTONIC is the same for all processes.
export function note(job, what) {
  const at = Number(process.hrtime.bigint()) / 1e9;
  if (ledger) writeSync(ledger, `${job.id} ${job.attemptsStarted} ${process.pid} ${at} ${what}\n`);
}

export const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
