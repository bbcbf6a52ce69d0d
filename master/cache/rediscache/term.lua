-- Returns the next term. KEYS: the last term. ARGV: 1 the minimum of the next term, so that terms
-- grow even if Redis lost the last one; 2 the time to live of the last term in ms; 3 the maximum of
-- the last term. A last term that is greater, or not a number, was not written by a master and is
-- ignored.
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
