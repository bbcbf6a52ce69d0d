-- Gives the next term. KEYS: the last one. ARGV: 1 the least that it may be (terms
-- go on growing where Redis lost its memory), 2 for how many ms to remember it, 3 the
-- most that the last may be: what is beyond that, or no number, no master wrote.
local last = 0
if redis.call('TYPE', KEYS[1]).ok == 'string' then
  last = tonumber(redis.call('GET', KEYS[1])) or 0
end
if not (last >= 0 and last <= tonumber(ARGV[3])) then
  last = 0
end
local text = string.format('%.0f', math.max(math.floor(last) + 1, tonumber(ARGV[1])))
redis.call('SET', KEYS[1], text, 'PX', ARGV[2])
return text
