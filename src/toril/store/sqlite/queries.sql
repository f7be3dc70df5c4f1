-- Every statement of the SQLite store, as named blocks. `:name` are parameters.

-- name: last_number
SELECT sequence FROM queue WHERE id = 0;

-- name: take_numbers
UPDATE queue SET sequence = ? WHERE id = 0;

-- name: queue_id
SELECT id, forgotten, max_length, keyed FROM queue WHERE name = :name;

-- name: make_queue
INSERT INTO queue (name) VALUES (:name) RETURNING id, forgotten, max_length, keyed;

-- name: queue_names
SELECT name FROM queue WHERE id > 0 AND forgotten IS NULL ORDER BY name;

-- name: read_queue
SELECT waiting, prioritized, delayed, waiting_children, active, completed, failed,
  paused, concurrency, rate_max, rate_ms, rate_started, rate_until FROM queue WHERE id = :queue;

-- name: read_queue_by_name
SELECT waiting, prioritized, delayed, waiting_children, active, completed, failed,
  paused, concurrency, rate_max, rate_ms, rate_started, rate_until, max_length FROM queue WHERE name = :name;

-- name: count
UPDATE queue SET waiting = waiting + ?, prioritized = prioritized + ?, delayed = delayed + ?,
  waiting_children = waiting_children + ?, active = active + ?, completed = completed + ?, failed = failed + ?
WHERE id = ?;

-- name: set_paused
UPDATE queue SET paused = :paused WHERE id = :queue;

-- name: set_limits
UPDATE queue SET concurrency = :concurrency, rate_max = :most, rate_ms = :length WHERE id = :queue;

-- name: count_started
UPDATE queue SET rate_started = :started, rate_until = :until WHERE id = :queue;

-- name: close_queue
-- Of two tasks that close it the one that names the later time wins.
UPDATE queue SET rate_started = :by_hand, rate_until = CASE
  WHEN rate_started >= coalesce(rate_max, :by_hand) THEN max(rate_until, :until) ELSE :until END
WHERE id = :queue;

-- name: limit_length
UPDATE queue SET max_length = :max_length WHERE id = :queue;

-- name: queue_length
SELECT waiting + prioritized + delayed FROM queue WHERE id = :queue;

-- name: spend
INSERT INTO budget (queue, key, used, until) VALUES (:queue, :key, 1, :until) ON CONFLICT (queue, key) DO UPDATE
SET used = CASE WHEN until <= :now THEN 1 ELSE used + 1 END, until = CASE WHEN until <= :now THEN :until ELSE until END
RETURNING used, until;

-- name: read_budget
SELECT used, until FROM budget WHERE queue = :queue AND key = :key AND until > :now;

-- name: insert_job
-- Most jobs have nothing more, and a column that is bound to NULL costs as much as any: three are a third of the insert.
INSERT INTO job (id, queue, state, rank, name, data, opts, priority, added) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_named_job
INSERT INTO job (id, queue, state, rank, name, data, opts, priority, added, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_tick
INSERT INTO job (id, queue, state, rank, name, data, opts, priority, added, key, schedule, tick)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: find_key
SELECT id FROM job WHERE queue = :queue AND key = :key;

-- name: complete
-- Outcomes of runs that are still their jobs'; `:outcomes` is a list of [row, run, result, …]. The + keeps SQLite from
-- reading all active jobs for each outcome.
UPDATE job SET state = 5, rank = :now, finished = :now, attempts = attempts + 1,
  result = json_extract(o.value, '$[2]')
FROM json_each(:outcomes) AS o
WHERE job.id = json_extract(o.value, '$[0]') AND +queue = :queue AND +state = 4
  AND starts = json_extract(o.value, '$[1]')
  AND (children = 0 OR NOT EXISTS (SELECT 1 FROM child WHERE child.parent = job.id AND child.state IN (0, 3)))
RETURNING job.id, starts, job.parent;

-- name: complete_and_remove
DELETE FROM job
WHERE +queue = :queue AND +state = 4 AND id IN (SELECT json_extract(value, '$[0]') FROM json_each(:outcomes))
  AND (id, starts) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:outcomes))
  AND (children = 0 OR NOT EXISTS (SELECT 1 FROM child WHERE child.parent = job.id AND child.state IN (0, 3)))
RETURNING id, starts, parent, logs, children;

-- name: fail
UPDATE job SET state = 6, rank = :now, finished = :now, attempts = attempts + :attempts, stalls = stalls + :stalls,
  reason = :reason, stack = coalesce(:stack, stack), deferred = NULL
WHERE id = :row AND queue = :queue AND state = 4 AND starts = :run
RETURNING parent;

-- name: put_back
-- An active job leaves its run for another place.
UPDATE job SET state = :state, rank = :rank, attempts = attempts + :attempts, stalls = stalls + :stalls,
  reason = :reason, stack = coalesce(:stack, stack)
WHERE id = :row AND queue = :queue AND state = 4 AND starts = :run;

-- name: fail_unrun
UPDATE job SET state = 6, rank = :now, finished = :now, reason = :reason, deferred = NULL WHERE id = :row
RETURNING parent;

-- name: run_is_current
SELECT priority, reason, opts, cancel.by FROM job LEFT JOIN cancel ON cancel.job = id AND cancel.run = starts
WHERE id = :row AND queue = :queue AND state = 4 AND starts = :run;

-- name: run_options
SELECT opts, deferred, EXISTS (SELECT 1 FROM cancel WHERE cancel.job = id AND run = starts) FROM job WHERE id = :row AND queue = :queue AND state = 4 AND starts = :run;

-- name: lost_runs
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:runs)
WHERE NOT EXISTS (SELECT 1 FROM job WHERE id = json_extract(value, '$[0]') AND state = 4
  AND starts = json_extract(value, '$[1]'));

-- name: trim
-- The oldest ended jobs.
DELETE FROM job WHERE id IN (
  SELECT id FROM job WHERE queue = :queue AND state = :state AND rank <= :before ORDER BY rank, id LIMIT :most);

-- name: tied_to_trimmed
-- Of the same jobs those that have more than their row. They are few; RETURNING all costs as much as removing them.
SELECT id, logs, parent, children FROM (
  SELECT id, logs, parent, children FROM job
  WHERE queue = :queue AND state = :state AND rank <= :before ORDER BY rank, id LIMIT :most)
WHERE logs OR children OR parent IS NOT NULL;

-- name: remove_job
DELETE FROM job WHERE id = :row RETURNING id, logs, parent, children;

-- name: remove_logs
DELETE FROM log WHERE job = ?;

-- name: next_due
SELECT rank FROM job WHERE queue = :queue AND state = 2 ORDER BY rank LIMIT 1;

-- name: due_jobs
SELECT id, priority, coalesce(key, CAST(id AS TEXT)) FROM job
WHERE queue = :queue AND state = 2 AND rank <= :now ORDER BY rank, id LIMIT 1000;

-- name: move
UPDATE job SET state = ?, rank = ? WHERE id = ?;

-- name: revive
-- Whoever retries a job by hand wants it to run, however late.
UPDATE job SET state = ?, rank = ?, started = NULL, finished = NULL, result = NULL, reason = NULL,
  opts = CASE WHEN instr(opts, '"expires') THEN json_remove(opts, '$.toril.expires', '$.toril.expiresAt') ELSE opts END
WHERE id = ?;

-- name: ready_jobs
-- What a step is about to take: what a JobRecord of it has from its row. Each column costs, of what is the same for all too.
SELECT coalesce(key, CAST(id AS TEXT)), name, data, opts, priority, added, starts + 1, attempts, stalls, progress, result,
  reason, stack, schedule, tick,
  CASE WHEN parent IS NOT NULL THEN (SELECT queue.name || ':' || coalesce(p.key, CAST(p.id AS TEXT))
    FROM job AS p JOIN queue ON queue.id = p.queue WHERE p.id = job.parent) END,
  deferred, id, rank
FROM job WHERE queue = :queue AND state = :state ORDER BY rank LIMIT :want;

-- name: take
-- The same rows: ranks of ready jobs are unique within a state.
UPDATE job SET state = 4, rank = :now, starts = starts + 1, started = :now, worker = :worker
WHERE queue = :queue AND state = :state AND rank <= :last;

-- name: job_columns
-- Not run by itself: the columns of JobRecord.
SELECT coalesce(job.key, CAST(job.id AS TEXT)), queue.name, job.name, job.data, job.opts, job.state, job.priority,
  job.added, CASE job.state WHEN 2 THEN job.rank END, job.starts, job.attempts, job.stalls, job.started, job.finished,
  job.progress, job.result, job.reason, job.stack, CAST(job.worker AS TEXT), job.schedule, job.tick,
  (SELECT q.name || ':' || coalesce(p.key, CAST(p.id AS TEXT)) FROM job AS p JOIN queue AS q ON q.id = p.queue
    WHERE p.id = job.parent),
  job.deferred, job.id, job.rank
FROM job JOIN queue ON queue.id = job.queue;

-- name: insert_node
INSERT INTO job (id, queue, state, rank, key, name, data, opts, priority, added, parent, children)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_child
INSERT OR IGNORE INTO child (parent, job, state, policy, queue, key, name, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: job_to_adopt
SELECT job.id, parent, state, name, result, EXISTS (SELECT 1 FROM job AS p WHERE p.id = job.parent) FROM job
WHERE queue = :queue AND key = :key;

-- name: adopt
UPDATE job SET parent = ? WHERE id = ?;

-- name: more_children
UPDATE job SET children = children + :count WHERE id = :row;

-- name: parent_of
SELECT parent FROM job WHERE id = :row;

-- name: settle_child
UPDATE child SET state = ?, value = ? WHERE parent = ? AND job = ? AND state = 0;

-- name: pending_child
SELECT policy, queue.name || ':' || coalesce(key, CAST(job AS TEXT)) FROM child JOIN queue ON queue.id = child.queue
WHERE parent = :parent AND job = :row AND state = 0;

-- name: open_child
-- What keeps a parent from being completed: a child that failed it, or one that it waits for.
SELECT state, queue.name || ':' || coalesce(key, CAST(job AS TEXT)) FROM child JOIN queue ON queue.id = child.queue
WHERE parent = :row AND state IN (0, 3) ORDER BY state DESC LIMIT 1;

-- name: has_pending
SELECT 1 FROM child WHERE parent = :row AND state = 0 LIMIT 1;

-- name: drop_child
DELETE FROM child WHERE parent = :parent AND job = :row AND state = 0;

-- name: forget_children
DELETE FROM child WHERE parent = :row;

-- name: reopen_child
UPDATE child SET state = 0, value = NULL WHERE parent = :parent AND job = :row;

-- name: parent_to_release
SELECT queue.name, state, priority, opts, starts, coalesce(job.key, CAST(job.id AS TEXT))
FROM job JOIN queue ON queue.id = job.queue WHERE job.id = :row;

-- name: defer_failure
UPDATE job SET deferred = :reason WHERE id = :row AND state NOT IN (5, 6);

-- name: kin_among
SELECT id, coalesce(key, CAST(id AS TEXT)), queue, state, parent, children FROM job
WHERE id IN (SELECT value FROM json_each(:rows)) AND (parent IS NOT NULL OR children > 0);

-- name: read_children
SELECT coalesce(child.key, CAST(child.job AS TEXT)), queue.name, child.name, job.state, coalesce(job.children, 0),
  child.state, child.value
FROM child JOIN queue ON queue.id = child.queue LEFT JOIN job ON job.id = child.job
WHERE child.parent = :row ORDER BY child.job;

-- name: insert_log
INSERT INTO log (job, line, text) VALUES (?, ?, ?);

-- name: trim_logs
DELETE FROM log WHERE job = :row AND line <= :last;

-- name: note
UPDATE job SET progress = coalesce(:progress, progress), logs = logs + :lines
WHERE id = :row AND state = 4 AND starts = :run RETURNING logs;

-- name: read_logs
SELECT text FROM log WHERE job = :row ORDER BY line;

-- name: enrol
INSERT INTO worker (name, host, pid, boot, beat, lease, queues)
VALUES (:name, :host, :pid, :boot, :beat, :lease, :queues) RETURNING id;

-- name: beat
UPDATE worker SET beat = :beat WHERE id = :worker;

-- name: enrol_again
-- A rescuer took the worker for dead and forgot it.
INSERT INTO worker (id, name, host, pid, boot, beat, lease, queues)
VALUES (:worker, :name, :host, :pid, :boot, :beat, :lease, :queues);

-- name: leave
DELETE FROM worker WHERE id = :worker;

-- name: stalled_jobs
SELECT job.id, job.starts, job.stalls, job.opts, coalesce(job.key, CAST(job.id AS TEXT)), worker.name
FROM job LEFT JOIN worker ON worker.id = job.worker
WHERE job.queue = :queue AND job.state = 4
  AND (worker.id IS NULL OR worker.boot <> :boot OR worker.beat + worker.lease < :monotonic)
ORDER BY job.rank, job.id;

-- name: forget_dead_workers
-- Long after their last beat, and only if nothing is held by them. CROSS keeps SQLite from reading all jobs.
DELETE FROM worker WHERE (boot <> :boot OR beat + 10 * lease < :monotonic)
  AND NOT EXISTS (
    SELECT 1 FROM queue CROSS JOIN job ON job.queue = queue.id AND job.state = 4 WHERE job.worker = worker.id);

-- name: ask_to_cancel
INSERT OR REPLACE INTO cancel (job, run, by) VALUES (:row, :run, :by);

-- name: wishes_to_cancel
SELECT cancel.job, cancel.run, cancel.by, job.id IS NULL
FROM cancel LEFT JOIN job ON job.id = cancel.job AND job.starts = cancel.run AND job.state = 4;

-- name: forget_wishes
DELETE FROM cancel
WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.id = cancel.job AND job.starts = cancel.run AND job.state = 4);

-- name: ended_jobs
SELECT id, priority, coalesce(key, CAST(id AS TEXT)), opts FROM job
WHERE queue = :queue AND state = :state ORDER BY rank, id LIMIT 1000;

-- name: read_dedup
SELECT dedup.job, owner, until, job.state FROM dedup LEFT JOIN job ON job.id = dedup.job
WHERE dedup.queue = :queue AND dedup.key = :key;

-- name: hold_dedup
INSERT OR REPLACE INTO dedup (queue, key, job, owner, until) VALUES (:queue, :key, :row, :owner, :until);

-- name: keep_next
UPDATE dedup SET next = :next, until = NULL WHERE queue = :queue AND key = :key;

-- name: extend_dedup
UPDATE dedup SET until = :until WHERE queue = :queue AND key = :key;

-- name: release_dedups
DELETE FROM dedup WHERE job IN (SELECT value FROM json_each(:rows)) AND until IS NULL RETURNING key, next;

-- name: forget_dedups_of
DELETE FROM dedup WHERE job IN (SELECT value FROM json_each(:rows));

-- name: key_queue
UPDATE queue SET keyed = 1 WHERE id = :queue;

-- name: dedup_owner
-- A key without a time of its own is nobody's once its job is gone.
SELECT owner FROM dedup JOIN queue ON queue.id = dedup.queue LEFT JOIN job ON job.id = dedup.job
WHERE queue.name = :queue AND dedup.key = :key AND CASE WHEN until IS NULL THEN job.id IS NOT NULL ELSE until > :now END;

-- name: forget_dedup
DELETE FROM dedup WHERE queue = :queue AND key = :key;

-- name: set_expiry
INSERT INTO expiry (queue, until, job) VALUES (?, ?, ?);

-- name: lapsed
-- Whether anything of a queue has run out: jobs that are not active or parents, keys, budgets.
SELECT EXISTS (SELECT 1 FROM expiry LEFT JOIN job ON job.id = expiry.job
    WHERE expiry.queue = q.id AND until <= :now AND coalesce(state, 5) NOT IN (3, 4))
  OR EXISTS (SELECT 1 FROM dedup WHERE queue = q.id AND until <= :now)
  OR EXISTS (SELECT 1 FROM budget WHERE queue = q.id AND until <= :now)
FROM queue AS q WHERE q.name = :queue;

-- name: expired_jobs
SELECT expiry.queue, until, expiry.job, state, attempts, opts, coalesce(key, CAST(job.id AS TEXT)), schedule
FROM expiry LEFT JOIN job ON job.id = expiry.job
WHERE expiry.queue = :queue AND until <= :now AND coalesce(state, 5) NOT IN (3, 4) ORDER BY until, expiry.job LIMIT 1000;

-- name: forget_expiry
DELETE FROM expiry WHERE queue = ? AND until = ? AND job = ?;

-- name: forget_lapsed_dedups
DELETE FROM dedup WHERE (queue, key) IN (
  SELECT queue, key FROM dedup WHERE queue = :queue AND until <= :now LIMIT 1000);

-- name: forget_spent_budgets
DELETE FROM budget WHERE (queue, key) IN (
  SELECT queue, key FROM budget WHERE queue = :queue AND until <= :now LIMIT 1000);

-- name: read_schedule
SELECT schedule.id, queue.name, cron, tz, every, missed, schedule.name, data, opts, start, until, most, declared,
  tick, last, ticks
FROM schedule JOIN queue ON queue.id = schedule.queue WHERE schedule.id = :id;

-- name: schedules
SELECT schedule.id, queue.name, cron, tz, every, missed, schedule.name, schedule.data, schedule.opts, start, until,
  most, declared, CASE WHEN job.state IN (0, 1, 2) THEN schedule.tick END, last, ticks
FROM schedule JOIN queue ON queue.id = schedule.queue
LEFT JOIN job ON job.queue = schedule.queue AND job.key = 'repeat:' || schedule.id || ':' || schedule.tick
WHERE :id IS NULL OR schedule.id = :id
ORDER BY schedule.id;

-- name: waiting_tick
SELECT id, logs, state FROM job WHERE queue = :queue AND key = :key AND state IN (0, 1, 2);

-- name: put_schedule
INSERT OR REPLACE INTO schedule
  (id, queue, cron, tz, every, missed, name, data, opts, start, until, most, declared, tick, last, ticks)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: advance_schedule
UPDATE schedule SET tick = :tick, last = :last, ticks = ticks + :more WHERE id = :id;

-- name: remove_schedule
DELETE FROM schedule WHERE id = :id;

-- name: insert_event
INSERT INTO event (queue, kind, at, body) VALUES (?, ?, ?, ?);

-- name: trim_events
DELETE FROM event WHERE id <= :last;

-- name: last_event
SELECT coalesce(max(id), 0) FROM event;

-- name: read_events
-- From the mark's own row, which may tell of more jobs. In one statement: what is kept and what is read must be of one
-- moment.
SELECT (SELECT min(id) FROM event), event.id, queue.name, kind, at, body
FROM event JOIN queue ON queue.id = event.queue WHERE event.id >= :row ORDER BY event.id LIMIT 200;

-- name: hang_bell
INSERT OR IGNORE INTO bell (path, queue) VALUES (:path, :queue);

-- name: bells
SELECT path, queue FROM bell;

-- name: unhang_bell
DELETE FROM bell WHERE path = ?;
