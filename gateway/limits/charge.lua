-- Charges every limit of one call, or none of them. A call that is admitted may be granted further
-- calls like it, charged here and now, which its worker then admits without asking.
--
-- KEYS 1  hash: for each window the slot it is in (s, m, h) and the units used in it (S, M, H);
--         the second (g) of the grants that hold, and their calls (G)
--      2  sorted set: one lease per call in flight, scored by its expiry in ms
-- ARGV 1  'charge', 'failed' (one request, no rows, no lease) or 'peek' (charges nothing)
--      2  rows of the call
--      3  lease id
--      4  life of the lease in ms
--      5  concurrent calls allowed
--      6  units allowed per second, 7 per minute, 8 per hour; 0 means no such limit
--      9  calls that may be granted at most
--      10 a lease given back, or ''
--      11 when an earlier grant was made, in ms, and the units of it that are given back:
--      12 of the second, 13 of the minute, 14 of the hour; 15 calls of that grant
-- Reply   the limit that refuses (0 none, 1 to 3 a window, 4 concurrent calls), calls in flight,
--         then for each window the units remaining (-1: no such limit) and the ms to its reset,
--         then the calls granted, and when, in ms

local LENGTHS_MS = {1000, 60000, 3600000}
local FIELDS = {{'s', 'S'}, {'m', 'M'}, {'h', 'H'}}
-- Longer than the longest window, so that no slot loses its count.
local KEEP_S = 7200
-- A grant is at most this part of a limit, and of what is left of it: small plans, and the end of
-- every window, are counted call by call. Each is about a second's worth of its window.
local PARTS_OF_LIMIT = {50, 50, 5000}
local PARTS_OF_REST = 8
-- All grants that hold are at most this part of a limit on requests, however many workers there
-- are; each takes at most half of what others have left of it.
local PARTS_OF_LIMIT_IN_ALL = 10

local mode, rows = ARGV[1], tonumber(ARGV[2])
local limits = {tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])}
local granted_at_ms = tonumber(ARGV[11])
local costs = {0, 0, 0}
if mode == 'charge' then costs = {1, 1, rows} elseif mode == 'failed' then costs = {1, 1, 0} end

-- The store's clock: no worker's clock can open a window.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local stored = {}
if limits[1] + limits[2] + limits[3] > 0 then
  stored = redis.call('HMGET', KEYS[1], 's', 'S', 'm', 'M', 'h', 'H', 'g', 'G')
end

local refused, slots, used, given_back = 0, {}, {}, false
for i = 1, 3 do
  slots[i] = math.floor(now_ms / LENGTHS_MS[i])
  local stored_slot, unused = tonumber(stored[2 * i - 1] or 0), tonumber(ARGV[11 + i])
  -- A slot of the future means that the clock was set back: what was used stays used.
  used[i] = stored_slot >= slots[i] and tonumber(stored[2 * i]) or 0
  -- Units of a slot that is over are gone with it.
  if unused > 0 and stored_slot == slots[i]
      and math.floor(granted_at_ms / LENGTHS_MS[i]) == slots[i] then
    used[i] = math.max(0, used[i] - unused)
    given_back = true
  end
  if limits[i] > 0 and costs[i] > 0 and used[i] + costs[i] > limits[i] then
    -- A failed call takes what is left and is not refused. Of several refusing windows the
    -- longest counts: a caller that waits for a shorter one would be refused again.
    if mode == 'failed' then costs[i] = 0 else refused = i end
  end
end

-- Grants hold until the second ends.
local held = tonumber(stored[7] or 0) == slots[1] and tonumber(stored[8]) or 0
if math.floor(granted_at_ms / LENGTHS_MS[1]) == slots[1] then
  held = math.max(0, held - tonumber(ARGV[15]))
end

if ARGV[10] ~= '' then redis.call('ZREM', KEYS[2], ARGV[10]) end
local in_flight
if mode == 'charge' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now_ms)
  in_flight = redis.call('ZCARD', KEYS[2])
  if refused == 0 and in_flight >= tonumber(ARGV[5]) then refused = 4 end
else
  in_flight = redis.call('ZCOUNT', KEYS[2], '(' .. now_ms, '+inf')
end

local charged, granted = refused == 0 and mode ~= 'peek', 0
if charged and mode == 'charge' then
  in_flight = in_flight + 1
  redis.call('ZADD', KEYS[2], now_ms + tonumber(ARGV[4]), ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
  -- With a grant the lease stays held between calls: so at most half of those allowed may.
  if in_flight * 2 <= tonumber(ARGV[5]) then granted = tonumber(ARGV[9]) end
end

for i = 1, 3 do
  if charged then used[i] = used[i] + costs[i] end
  if granted > 0 and limits[i] > 0 and costs[i] > 0 then
    local most = math.min(limits[i] / PARTS_OF_LIMIT[i], (limits[i] - used[i]) / PARTS_OF_REST)
    if i < 3 then most = math.min(most, (limits[i] / PARTS_OF_LIMIT_IN_ALL - held) / 2) end
    granted = math.max(0, math.min(granted, math.floor(most / costs[i])))
  end
end

local changes = {}
for i = 1, 3 do
  used[i] = used[i] + costs[i] * granted
  if limits[i] > 0 and (charged or given_back) then
    local n = #changes
    changes[n + 1], changes[n + 2] = FIELDS[i][1], slots[i]
    changes[n + 3], changes[n + 4] = FIELDS[i][2], used[i]
  end
end
if #changes > 0 then
  redis.call('HSET', KEYS[1], 'g', slots[1], 'G', held + granted, unpack(changes))
  redis.call('EXPIRE', KEYS[1], KEEP_S)
end

local reply = {refused, in_flight}
for i = 1, 3 do
  reply[2 * i + 1] = limits[i] > 0 and math.max(0, limits[i] - used[i]) or -1
  reply[2 * i + 2] = (slots[i] + 1) * LENGTHS_MS[i] - now_ms
end
reply[9], reply[10] = granted, now_ms
return reply
