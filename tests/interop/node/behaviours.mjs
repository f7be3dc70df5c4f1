// What a job of each name does. `interop_jobs.py` does the same in Python.
import { setTimeout as sleep } from "node:timers/promises";
import { UnrecoverableError } from "bullmq";

const behaviours = {
  echo: async (job) => job.data,

  slow: async (job) => {
    await sleep(job.data.ms);
    return null;
  },

  // fails in the first `times` attempts
  fail: async (job) => {
    if (job.attemptsMade < job.data.times) throw new Error("boom");
    return "recovered";
  },

  hopeless: async () => {
    throw new UnrecoverableError("no use");
  },

  talk: async (job) => {
    await job.updateProgress(50);
    await job.log("half way");
    await job.log("nearly there");
    await job.updateProgress({ step: "last", of: 2 });
    return "said";
  },

  // a parent adds up what its children returned
  sum: async (job) => {
    const values = Object.values(await job.getChildrenValues());
    return values.reduce((total, value) => total + value.n, 0);
  },

  // the first run never ends
  hang: async (job) => {
    if (job.attemptsStarted === 1) await sleep(600_000);
    return "alive";
  },
};

// Returns the processor of a worker that notes in a ledger what its jobs do.
export function behaving(note) {
  return async (job) => {
    note(job, "start");
    try {
      const result = await behaviours[job.name](job);
      note(job, "end");
      return result;
    } catch (error) {
      note(job, "cut");
      throw error;
    }
  };
}
