// What an application on Node has under one prefix: queues, a producer of flows, listeners, workers, Bull Board.
import { setTimeout as sleep } from "node:timers/promises";
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import express from "express";
import { behaving } from "./behaviours.mjs";
import { connection, ledger } from "./wire.mjs";

const traces = process.env.TRACED ? await import("./traces.mjs") : undefined;

const EVENTS = [
  "active", "added", "cleaned", "completed", "deduplicated", "delayed", "drained", "duplicated", "error", "failed",
  "paused", "progress", "removed", "resumed", "retries-exhausted", "stalled", "waiting", "waiting-children",
]; // prettier-ignore

export class World {
  constructor(prefix, ledgerPath) {
    this.common = { connection, prefix, telemetry: traces?.telemetry };
    this.behave = behaving(ledger(ledgerPath));
    this.queues = new Map();
    this.listeners = new Map();
    this.workers = new Map();
    this.heard = new Map();
    this.servers = [];
  }

  queue(name) {
    if (!this.queues.has(name)) this.queues.set(name, new Queue(name, this.common));
    return this.queues.get(name);
  }

  // The spans of this process that have ended.
  async spans() {
    return traces.spans();
  }

  async events(name) {
    if (!this.listeners.has(name)) this.listeners.set(name, new QueueEvents(name, this.common));
    const events = this.listeners.get(name);
    await events.waitUntilReady();
    return events;
  }

  // Keeps what QueueEvents says of a queue from its beginning: [event, arguments].
  async listen(name) {
    const events = new QueueEvents(name, { ...this.common, lastEventId: "0-0" });
    this.listeners.set(name, events);
    const heard = [];
    this.heard.set(name, heard);
    for (const event of EVENTS) {
      events.on(event, (args) => heard.push([event, typeof args === "object" ? args : {}]));
    }
    await events.waitUntilReady();
  }

  async add(flow) {
    this.producer ??= new FlowProducer(this.common);
    return this.producer.add(flow);
  }

  async result(name, id) {
    const events = await this.events(name);
    const job = await this.queue(name).getJob(id);
    return job.waitUntilFinished(events, 20_000);
  }

  // A worker until no job is ready; returns how many jobs it ran.
  async run(name, options) {
    let ran = 0;
    const worker = new Worker(name, this.behave, { ...this.common, autorun: false, ...options });
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

  async work(name, options) {
    const worker = new Worker(name, this.behave, { ...this.common, ...options });
    worker.on("error", () => {}); // of a connection that is cut at the end
    this.workers.set(name, worker);
    await worker.waitUntilReady();
  }

  async rest(name) {
    await this.workers.get(name).close();
    this.workers.delete(name);
  }

  // A job taken by hand.
  async take(name, token, options) {
    const worker = new Worker(name, null, { ...this.common, ...options });
    await worker.waitUntilReady();
    const job = await worker.getNextJob(token, { block: false });
    await worker.close();
    return job;
  }

  // A job taken by hand, whose lock runs out, found so by the sweeps.
  async stall(name, options) {
    await this.take(name, "lost", { lockDuration: 1, ...options });
    const worker = new Worker(name, null, { ...this.common, stalledInterval: 1, ...options });
    await worker.waitUntilReady();
    for (let sweep = 0; sweep < 2; sweep++) {
      await sleep(5); // the lock, then the mutex of the sweeps, run out
      await worker.moveStalledJobsToWait();
    }
    await worker.close();
  }

  // Bull Board on some queues; returns its port.
  async board(names) {
    const serverAdapter = new ExpressAdapter().setBasePath("/board");
    createBullBoard({ queues: names.map((name) => new BullMQAdapter(this.queue(name))), serverAdapter });
    const app = express().use("/board", serverAdapter.getRouter());
    const server = await new Promise((resolve) => {
      const listening = app.listen(0, "127.0.0.1", () => resolve(listening));
    });
    this.servers.push(server);
    return server.address().port;
  }

  async close() {
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
    for (const worker of this.workers.values()) await worker.close(true);
    for (const open of [...this.listeners.values(), ...this.queues.values()]) await open.close();
    await this.producer?.close();
  }
}
