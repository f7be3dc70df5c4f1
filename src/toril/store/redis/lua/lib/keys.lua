-- use: base, events, places, jobs, family
-- Deduplication keys, by BullMQ's rules.

-- Let a new job (`id`) hold its key and return nil; if another holds it, do what `de` says and return its id where
-- the new job is not to be added.
local function claim(q, job, de)
  local key, kept = q .. 'de:' .. de.id, q .. 'dn:' .. de.id
  local ttl = tonumber(de.ttl) or 0
  local owner = call('GET', key)
  if owner and call('PTTL', key) == -1 and call('EXISTS', q .. owner) == 0 then -- its owner was removed
    call('DEL', key, kept)
    owner = false
  end
  if not owner or owner == job.id then
    call('SET', key, job.id)
    if ttl > 0 and not de.keepLastIfActive then call('PEXPIRE', key, ttl) end
    return nil
  end
  if de.replace and call('ZREM', q .. 'delayed', owner) == 1 then
    local left, parent = call('PTTL', key), call('HGET', q .. owner, 'parent')
    if parent then child_gone(parent, q .. owner) end
    delete_jobs(q, {owner})
    tell(q, 'removed', 'jobId', owner, 'prev', 'delayed')
    tell(q, 'deduplicated', 'jobId', job.id, 'deduplicationId', de.id, 'deduplicatedJobId', owner)
    call('DEL', kept)
    call('SET', key, job.id)
    if ttl > 0 and not de.keepLastIfActive then call('PEXPIRE', key, (de.extend or left < 0) and ttl or left) end
    return nil
  end
  if de.keepLastIfActive and call('EXISTS', q .. owner .. ':lock') == 1 then
    call('HSET', kept, 'name', job.name, 'data', job.data, 'opts', job.opts, 'jid', job.id)
    call('PERSIST', key)
  elseif de.replace then
    return owner
  elseif de.extend and ttl > 0 then
    call('PEXPIRE', key, ttl)
  end
  tell(q, 'deduplicated', 'jobId', owner, 'deduplicationId', de.id, 'deduplicatedJobId', job.id)
  return owner
end
