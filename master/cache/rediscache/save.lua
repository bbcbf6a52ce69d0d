-- Keeps one update of a cluster. KEYS: head, base, log. ARGV:
--   1 term   2 epoch   3 seq
--   4 from: the seq that the payload leads from, or '' where it is a whole base
--   5 payload: frames; '' behind a from: nothing but times changed
--   6 ms until it expires   7 ms for which to keep it after that   8 channel to tell
--   9… the other fields of the head, name by value
-- Gives what was done ('kept', 'older', or 'base': a whole base is needed) and the
-- bytes in the log.
local head, base, log = KEYS[1], KEYS[2], KEYS[3]
local term, epoch, seq, from, payload = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local life, keep = tonumber(ARGV[6]), tonumber(ARGV[7])

local held = redis.call('HMGET', head, 'term', 'epoch', 'seq', 'entries', 'keep')
local left = redis.call('PTTL', head) - tonumber(held[5] or 0)
if held[1] and left > 0 then
  local t, s = tonumber(held[1]), tonumber(held[3])
  if t > tonumber(term) or (t == tonumber(term) and s > tonumber(seq)) then
    return {'older', 0}
  end
  if t == tonumber(term) and s == tonumber(seq) and left >= life then
    return {'older', 0}
  end
end

if from == '' then
  redis.call('SET', base, payload)
  redis.call('DEL', log)
  redis.call('HSET', head, 'base', term .. '.' .. epoch .. '-' .. seq, 'entries', 0, 'logBytes', 0)
else
  local whole = held[2] == epoch and held[3] == from
    and redis.call('EXISTS', base) == 1 and redis.call('XLEN', log) == tonumber(held[4] or -1)
  if not whole then
    return {'base', 0}
  end
  if payload ~= '' then
    redis.call('XADD', log, '*', 'frames', payload)
    redis.call('HINCRBY', head, 'entries', 1)
    redis.call('HINCRBY', head, 'logBytes', #payload)
  end
end

redis.call('HSET', head, 'term', term, 'epoch', epoch, 'seq', seq, 'life', life, 'keep', keep, unpack(ARGV, 9))
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, life + keep)
end
redis.call('PUBLISH', ARGV[8], term .. '.' .. epoch .. '-' .. seq)
return {'kept', tonumber(redis.call('HGET', head, 'logBytes'))}
