// Bull Board on the queues that it is given: `node board.mjs QUEUE…`. Prints ["ready", port].
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import { Queue } from "bullmq";
import express from "express";
import { connection, prefix, say } from "./wire.mjs";

const serverAdapter = new ExpressAdapter().setBasePath("/board");
const queues = process.argv.slice(2).map((name) => new BullMQAdapter(new Queue(name, { connection, prefix })));
createBullBoard({ queues, serverAdapter });

const app = express().use("/board", serverAdapter.getRouter());
const server = app.listen(0, "127.0.0.1", () => say(["ready", server.address().port]));
