-- Reads one cluster. KEYS: head, base, log. ARGV:
--   1 the base that the reader has taken in already, or ''
--   2 the last entry of the log that it has taken in
--   3 how many bytes it takes at most
-- Gives the head's fields, the ms it has left, the base (false where the reader has
-- it), and the entries of the log that the reader lacks; nothing where there is none;
-- the bytes alone where they are too many.
local head = redis.call('HGETALL', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if #head == 0 or left <= 0 then
  return {}
end
local had = redis.call('HGET', KEYS[1], 'base') == ARGV[1]
local bytes = tonumber(redis.call('HGET', KEYS[1], 'logBytes'))
if not had then
  bytes = bytes + redis.call('STRLEN', KEYS[2])
end
if bytes > tonumber(ARGV[3]) then
  return {bytes}
end
if had then
  local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]
  return {head, left, false, redis.call('XRANGE', KEYS[3], from, '+')}
end
return {head, left, redis.call('GET', KEYS[2]), redis.call('XRANGE', KEYS[3], '-', '+')}
