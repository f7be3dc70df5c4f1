-- A job is in exactly one place: (queue, state, rank). Few pages change with a commit: each costs as much as a row.

CREATE TABLE store (
  version INTEGER NOT NULL              -- of this schema
);
INSERT INTO store VALUES (1);

CREATE TABLE queue (
  id               INTEGER PRIMARY KEY,
  name             TEXT NOT NULL UNIQUE,
  paused           TEXT,                -- JSON {by, why, at}; NULL: not paused
  concurrency      INTEGER,             -- active jobs at most; NULL: no limit
  rate_max         INTEGER,             -- jobs started in a window at most; NULL: no limit
  rate_ms          INTEGER,             -- the length of a window
  rate_started     INTEGER NOT NULL DEFAULT 0,   -- jobs started in the window (2^53 - 1: closed by a task)
  rate_until       INTEGER NOT NULL DEFAULT 0,   -- that ends then
  max_length       INTEGER,             -- jobs that may wait or be delayed; NULL: no limit
  keyed            INTEGER,             -- 1 from the first job with a deduplication key on
  forgotten        INTEGER,             -- obliterated: not listed until it is used again; its bells stay hung
  waiting          INTEGER NOT NULL DEFAULT 0,   -- counts by state, kept by every transition
  prioritized      INTEGER NOT NULL DEFAULT 0,
  delayed          INTEGER NOT NULL DEFAULT 0,
  waiting_children INTEGER NOT NULL DEFAULT 0,
  active           INTEGER NOT NULL DEFAULT 0,
  completed        INTEGER NOT NULL DEFAULT 0,
  failed           INTEGER NOT NULL DEFAULT 0,
  sequence         INTEGER                       -- of the row 0 alone: the last number given out, never used twice
);
INSERT INTO queue (id, name, sequence) VALUES (0, '', 0);

CREATE TABLE job (
  id       INTEGER PRIMARY KEY,         -- from the sequence
  queue    INTEGER NOT NULL,
  state    INTEGER NOT NULL,            -- 0 waiting 1 prioritized 2 delayed 3 waiting-children 4 active 5 completed 6 failed
  rank     INTEGER NOT NULL,            -- place within the state: see below
  key      TEXT,                        -- the caller's own id
  name     TEXT NOT NULL,
  data     TEXT NOT NULL,               -- JSON
  opts     TEXT NOT NULL,               -- JSON, BullMQ's words
  priority INTEGER NOT NULL,
  added    INTEGER NOT NULL,            -- times are epoch milliseconds
  starts   INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  stalls   INTEGER NOT NULL DEFAULT 0,
  logs     INTEGER NOT NULL DEFAULT 0,  -- lines written
  worker   INTEGER,                     -- who took it last
  started  INTEGER,
  finished INTEGER,
  progress TEXT,                        -- JSON
  result   TEXT,                        -- JSON
  reason   TEXT,
  stack    TEXT,                        -- JSON list
  schedule TEXT,                        -- the schedule that made it
  tick     INTEGER                      -- and the time it was made for
);
-- rank: waiting = sequence number, negative at the front; prioritized = priority * 2^40 + the same; delayed = due time;
-- active = start; completed, failed = end. Ranks of ready jobs are unique within queue and state.
CREATE INDEX job_place ON job (queue, state, rank);
CREATE UNIQUE INDEX job_key ON job (queue, key) WHERE key IS NOT NULL;

CREATE TABLE dedup (
  queue INTEGER NOT NULL,
  key   TEXT NOT NULL,
  job   INTEGER NOT NULL,               -- who holds it: its row
  owner TEXT NOT NULL,                  -- and its id, which may outlive it
  until INTEGER,                        -- NULL: until the job has ended
  next  TEXT,                           -- JSON of the job that is added then
  PRIMARY KEY (queue, key)
) WITHOUT ROWID;
CREATE INDEX dedup_job ON dedup (job);
CREATE INDEX dedup_until ON dedup (queue, until) WHERE until IS NOT NULL;

CREATE TABLE expiry (                    -- of the few jobs that expire
  queue INTEGER NOT NULL,
  until INTEGER NOT NULL,
  job   INTEGER NOT NULL,               -- it may have ended, or be gone
  PRIMARY KEY (queue, until, job)
) WITHOUT ROWID;

CREATE TABLE budget (
  queue INTEGER NOT NULL,
  key   TEXT NOT NULL,
  used  INTEGER NOT NULL,               -- jobs added since the first of this window
  until INTEGER NOT NULL,               -- when the window ends
  PRIMARY KEY (queue, key)
) WITHOUT ROWID;
CREATE INDEX budget_until ON budget (queue, until);

CREATE TABLE log (
  job  INTEGER NOT NULL,
  line INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (job, line)
) WITHOUT ROWID;

CREATE TABLE worker (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,  -- a dead worker's id must never name a live one
  name   TEXT NOT NULL,
  host   TEXT NOT NULL,
  pid    INTEGER NOT NULL,
  boot   TEXT NOT NULL,                 -- beats of another boot say nothing
  beat   REAL NOT NULL,                 -- CLOCK_MONOTONIC, which all processes of one boot share
  lease  REAL NOT NULL,                 -- seconds
  queues TEXT NOT NULL                  -- JSON {name: slots}
);

CREATE TABLE cancel (                   -- active jobs whose worker is to cancel them
  job INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  by  TEXT NOT NULL
);

CREATE TABLE schedule (
  id     TEXT PRIMARY KEY,
  queue  INTEGER NOT NULL,
  cron   TEXT,
  tz     TEXT,
  every  INTEGER,                       -- milliseconds
  missed TEXT NOT NULL,
  name   TEXT NOT NULL,
  data   TEXT NOT NULL,
  opts   TEXT NOT NULL
);

CREATE TABLE event (
  id    INTEGER PRIMARY KEY,            -- the cursor; only the oldest are removed, so it is never used twice
  queue INTEGER NOT NULL,
  kind  TEXT NOT NULL,
  at    INTEGER NOT NULL,
  body  TEXT NOT NULL                   -- JSON list, an item for each job: one row a step and kind, not a job
);

CREATE TABLE metric (
  queue     INTEGER NOT NULL,
  minute    INTEGER NOT NULL,           -- since the epoch; only those in which a job ended
  completed INTEGER NOT NULL,           -- ever, up to the end of that minute: one row tells the total
  failed    INTEGER NOT NULL,
  arrived   INTEGER NOT NULL,           -- ever, when the row was made: what had ended and what had not
  PRIMARY KEY (queue, minute)
) WITHOUT ROWID;

CREATE TABLE bell (
  path  TEXT NOT NULL,                  -- datagram socket of a process that waits
  queue INTEGER NOT NULL,               -- 0: for events
  PRIMARY KEY (path, queue)
) WITHOUT ROWID;
