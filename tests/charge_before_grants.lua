-- Charges every limit of one call, or none of them.
--
-- KEYS 1  hash: for each window the slot it is in (s, m, h) and the units used in it (S, M, H)
--      2  sorted set: one lease per call in flight, scored by its expiry in ms
-- ARGV 1  'charge', 'failed' (one request, no rows, no lease) or 'peek' (changes nothing)
--      2  rows of the call
--      3  lease id
--      4  life of the lease in ms
--      5  concurrent calls allowed
--      6  units allowed per second, 7 per minute, 8 per hour; 0 means no such limit
-- Reply   the limit that refuses (0 none, 1 to 3 a window, 4 concurrent calls), calls in flight,
--         then for each window the units remaining (-1: no such limit) and the ms to its reset

local LENGTHS_MS = {1000, 60000, 3600000}
local FIELDS = {{'s', 'S'}, {'m', 'M'}, {'h', 'H'}}
-- Longer than the longest window, so that no slot loses its count.
local KEEP_S = 7200

local mode, rows = ARGV[1], tonumber(ARGV[2])
local limits = {tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])}
local costs = {0, 0, 0}
if mode == 'charge' then costs = {1, 1, rows} elseif mode == 'failed' then costs = {1, 1, 0} end

-- The store's clock: no worker's clock can open a window.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local stored = {}
if limits[1] + limits[2] + limits[3] > 0 then
  stored = redis.call('HMGET', KEYS[1], 's', 'S', 'm', 'M', 'h', 'H')
end

local refused, slots, used = 0, {}, {}
for i = 1, 3 do
  slots[i] = math.floor(now_ms / LENGTHS_MS[i])
  -- A slot of the future means that the clock was set back: what was used stays used.
  local current = tonumber(stored[2 * i - 1] or 0) >= slots[i]
  used[i] = current and tonumber(stored[2 * i]) or 0
  if limits[i] > 0 and costs[i] > 0 and used[i] + costs[i] > limits[i] then
    -- A failed call takes what is left and is not refused. Of several refusing windows the
    -- longest counts: a caller that waits for a shorter one would be refused again.
    if mode == 'failed' then costs[i] = 0 else refused = i end
  end
end

local in_flight
if mode == 'charge' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now_ms)
  in_flight = redis.call('ZCARD', KEYS[2])
  if refused == 0 and in_flight >= tonumber(ARGV[5]) then refused = 4 end
else
  in_flight = redis.call('ZCOUNT', KEYS[2], '(' .. now_ms, '+inf')
end

if refused == 0 and mode ~= 'peek' then
  local changes = {}
  for i = 1, 3 do
    if limits[i] > 0 then
      used[i] = used[i] + costs[i]
      local n = #changes
      changes[n + 1], changes[n + 2] = FIELDS[i][1], slots[i]
      changes[n + 3], changes[n + 4] = FIELDS[i][2], used[i]
    end
  end
  if #changes > 0 then
    redis.call('HSET', KEYS[1], unpack(changes))
    redis.call('EXPIRE', KEYS[1], KEEP_S)
  end
  if mode == 'charge' then
    redis.call('ZADD', KEYS[2], now_ms + tonumber(ARGV[4]), ARGV[3])
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
    in_flight = in_flight + 1
  end
end

local reply = {refused, in_flight}
for i = 1, 3 do
  reply[2 * i + 1] = limits[i] > 0 and math.max(0, limits[i] - used[i]) or -1
  reply[2 * i + 2] = (slots[i] + 1) * LENGTHS_MS[i] - now_ms
end
return reply
