-- What people do to a queue and ask of it, beyond the way of a job; as queries.sql.

-- name: delayed_jobs
SELECT id, priority, coalesce(key, CAST(id AS TEXT)) FROM job
WHERE queue = :queue AND state = 2 ORDER BY rank, id LIMIT 1000;

-- name: set_rank
UPDATE job SET rank = :rank WHERE id = :row;

-- name: set_priority
UPDATE job SET priority = :priority WHERE id = :row;

-- name: set_data
UPDATE job SET data = :data WHERE id = :row;

-- name: removal
-- A job with what is below it (`:whole`): whether a live worker runs it, whether a schedule waits for it.
WITH RECURSIVE tree (id, depth) AS (
  SELECT :row, 0
  UNION ALL
  SELECT child.job, depth + 1 FROM tree CROSS JOIN child ON child.parent = tree.id WHERE :whole
)
SELECT depth, queue.name, job.id, state, coalesce(key, CAST(job.id AS TEXT)), state = 4 AND EXISTS (SELECT 1 FROM worker
  WHERE worker.id = job.worker AND boot = :boot AND beat + lease >= :monotonic), starts = 0 AND EXISTS (SELECT 1
  FROM schedule WHERE schedule.id = job.schedule AND schedule.tick = job.tick)
FROM tree CROSS JOIN job ON job.id = tree.id JOIN queue ON queue.id = job.queue;

-- name: unprocessed
-- The children that a job waits for, and theirs, but none that has failed or that a live worker runs.
WITH RECURSIVE tree (id, depth) AS (
  SELECT :row, 0
  UNION ALL
  SELECT child.job, depth + 1 FROM tree CROSS JOIN child ON child.parent = tree.id CROSS JOIN job ON job.id = child.job
  WHERE child.state = 0 AND job.state <> 6 AND NOT (job.state = 4 AND EXISTS (SELECT 1 FROM worker
    WHERE worker.id = job.worker AND boot = :boot AND beat + lease >= :monotonic))
)
SELECT depth, queue.name, job.id, state, coalesce(key, CAST(job.id AS TEXT))
FROM tree CROSS JOIN job ON job.id = tree.id JOIN queue ON queue.id = job.queue WHERE depth > 0;

-- name: remove_jobs
DELETE FROM job WHERE id IN (SELECT value FROM json_each(:rows)) RETURNING id, logs, parent, children;

-- name: old_ended_jobs
SELECT id, coalesce(key, CAST(id AS TEXT)), rank, 1 FROM job
WHERE queue = :queue AND state = :state AND rank <= :before AND (rank, id) > (:rank, :row)
ORDER BY rank, id LIMIT :limit;

-- name: old_pending_jobs
-- A page of a state, each with whether it is old enough; the job that a schedule waits for is not.
SELECT id, coalesce(key, CAST(id AS TEXT)), rank, coalesce(started, added) <= :before AND NOT (starts = 0 AND EXISTS (
  SELECT 1 FROM schedule WHERE schedule.id = job.schedule AND schedule.tick = job.tick))
FROM job WHERE queue = :queue AND state = :state AND (rank, id) > (:rank, :row) ORDER BY rank, id LIMIT :limit;

-- name: any_jobs
SELECT id, state FROM job WHERE queue = :queue LIMIT 1000;

-- name: remove_schedules
DELETE FROM schedule WHERE queue = :queue;

-- name: remove_metrics
DELETE FROM metric WHERE queue = :queue;

-- name: forget_queue
UPDATE queue SET forgotten = 1, paused = NULL, concurrency = NULL, rate_max = NULL, rate_ms = NULL,
  rate_started = 0, rate_until = 0, max_length = NULL WHERE id = :queue;

-- name: remember_queue
UPDATE queue SET forgotten = NULL WHERE id = :queue;

-- name: priorities
-- From one class to the next by the index: `:class` ranks lie between two classes, half of them before each.
WITH RECURSIVE class (level) AS (
  SELECT (min(rank) + :class / 2) / :class FROM job WHERE queue = :queue AND state = 1
  UNION ALL
  SELECT (SELECT (min(rank) + :class / 2) / :class FROM job
    WHERE queue = :queue AND state = 1 AND rank >= level * :class + :class / 2)
  FROM class WHERE level IS NOT NULL LIMIT 10000
)
SELECT level, (SELECT count(*) FROM job WHERE queue = :queue AND state = 1
  AND rank >= level * :class - :class / 2 AND rank < level * :class + :class / 2)
FROM class WHERE level IS NOT NULL;

-- name: count_ended
UPDATE metric SET completed = completed + :completed, failed = failed + :failed
WHERE queue = :queue AND minute = (SELECT max(minute) FROM metric WHERE queue = :queue) AND minute >= :minute;

-- name: begin_minute
INSERT INTO metric (queue, minute, completed, failed, arrived)
SELECT :queue, :minute, coalesce(last.completed, 0) + :completed, coalesce(last.failed, 0) + :failed,
  coalesce(last.completed + last.failed, 0) + :completed + :failed
  + waiting + prioritized + delayed + waiting_children + active
FROM queue LEFT JOIN (SELECT completed, failed FROM metric WHERE queue = :queue ORDER BY minute DESC LIMIT 1) AS last
WHERE queue.id = :queue;

-- name: trim_metrics
-- The last row before stays: the next one is counted from it.
DELETE FROM metric WHERE queue = :queue
AND minute < (SELECT max(minute) FROM metric WHERE queue = :queue AND minute <= :before);

-- name: read_metrics
-- From the last row before `:minute`, from which the first within is counted.
SELECT minute, completed, failed, arrived FROM metric WHERE queue = :queue
AND minute >= coalesce((SELECT max(minute) FROM metric WHERE queue = :queue AND minute < :minute), :minute)
ORDER BY minute;

-- name: live_workers
SELECT id, name, host, pid, lease, queues, beat FROM worker WHERE boot = :boot AND beat + lease >= :monotonic ORDER BY id;

-- name: running_jobs
SELECT job.worker, queue.name, coalesce(job.key, CAST(job.id AS TEXT)), job.name, job.started
FROM queue CROSS JOIN job ON job.queue = queue.id AND job.state = 4;

-- name: page_end
-- The last of the next `:page` jobs behind a mark, newest first.
SELECT rank, id FROM job WHERE queue = :queue AND state = :state AND rank >= :since AND (rank, id) < (:rank, :row)
ORDER BY rank DESC, id DESC LIMIT 1 OFFSET :page;

-- name: count_between
SELECT count(*) FROM job WHERE queue = :queue AND state = :state
AND (rank, id) < (:rank, :row) AND (rank, id) >= (:last, :last_row);

-- name: failures
-- The index alone tells.
SELECT id, rank FROM job WHERE queue = :queue AND state = 6 ORDER BY rank DESC, id DESC LIMIT :limit;

-- name: reasons
SELECT id, rank, coalesce(key, CAST(id AS TEXT)), name, coalesce(reason, '') FROM job
WHERE id IN (SELECT value FROM json_each(:rows)) AND +state = 6;

-- name: that_may_match
-- Not run by itself: which rows of job_columns a search reads, see Hints. What it passes over costs no row in Python.
WHERE job.queue = :queue AND job.state = :state AND (job.rank, job.id) < (:rank, :row)
  AND (job.rank, job.id) >= (:last, :last_row) AND job.name GLOB :name
  AND (:data = '' OR instr(job.data, :data) OR instr(job.data, '\u00'))
  AND (:error = '' OR instr(lower(job.reason), :error) OR length(job.reason) <> length(CAST(job.reason AS BLOB)))
  AND (:text = '' OR instr(lower(job.name), :text) OR instr(lower(job.data), :text) OR instr(lower(job.reason), :text)
    OR length(job.name || job.data || coalesce(job.reason, ''))
      <> length(CAST(job.name || job.data || coalesce(job.reason, '') AS BLOB)))
ORDER BY job.rank DESC, job.id DESC;
