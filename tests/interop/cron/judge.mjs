// Answers what BullMQ's own cron evaluator says. One question a line on stdin: [expression, zone, after, from],
// times in epoch milliseconds; one answer a line on stdout: the first run after `after`, or the text of the error.
// The evaluator starts at `from` and walks on until it is past `after`.
import { createInterface } from "node:readline";
import { CronExpressionParser } from "cron-parser";

function answer([expression, tz, after, from]) {
  const walk = CronExpressionParser.parse(expression, { currentDate: new Date(from), tz });
  for (let last = from; ; ) {
    const run = walk.next().getTime();
    if (run <= last) return `walked from ${last} back to ${run}`;
    if (run > after) return run;
    last = run;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    reply = answer(JSON.parse(line));
  } catch (error) {
    reply = error.message;
  }
  console.log(JSON.stringify(reply));
}
