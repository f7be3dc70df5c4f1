-- use: base, reading
-- Read one job.
-- ARGV: now; id.
-- Returns the job, or nothing.
return read_job(Q, ARGV[2])
