-- Writes the numbers of a subject as the database knows them, plus what was spent since without being in them.
--
-- KEYS  1 spend  2 pending  3 settled
-- ARGV  1 token  2 signature  3 mode f|r  4 provisionalUntil (0 = final)  5 recentSince  6 total
--       7 weekStart  8 week  9 monthStart  10 month  11 dayStart  12 day  13 low5  14 lowDay  15 now
--       16 n  then n × (5h bucket, nanos);  m  then m × (day bucket, nanos);  k  then k × (record, nanos, started)
-- Returns 'seeded' or 'lost' (not our claim any more)
local spend, pending, settled = KEYS[1], KEYS[2], KEYS[3]
if call('HGET', spend, 'claim') ~= ARGV[1] then return 'lost' end

local mode, recentSince = ARGV[3], tonumber(ARGV[5])
local week = { tonumber(ARGV[7]), tonumber(ARGV[8]) }
local month = { tonumber(ARGV[9]), tonumber(ARGV[10]) }
local day = { tonumber(ARGV[11]), tonumber(ARGV[12]) }
local total = tonumber(ARGV[6])
local at = 16
local function readBuckets(low)
  local buckets = { low = low, sum = 0 }
  local count = tonumber(ARGV[at])
  for index = 1, count do
    local bucket, nanos = tonumber(ARGV[at + 2 * index - 1]), tonumber(ARGV[at + 2 * index])
    if bucket >= low then buckets[bucket] = (buckets[bucket] or 0) + nanos end
  end
  at = at + 1 + 2 * count
  return buckets
end
local five = readBuckets(tonumber(ARGV[13]))
local rolling = readBuckets(tonumber(ARGV[14]))

local function add(nanos, started)
  total = total + nanos
  if started >= week[1] then week[2] = week[2] + nanos end
  if started >= month[1] then month[2] = month[2] + nanos end
  if started >= day[1] then day[2] = day[2] + nanos end
  local bucket = math.floor(started / 300000)
  if bucket >= five.low then five[bucket] = (five[bucket] or 0) + nanos end
  bucket = math.floor(started / 900000)
  if bucket >= rolling.low then rolling[bucket] = (rolling[bucket] or 0) + nanos end
end

local provisional = tonumber(ARGV[4]) > 0
local isPending = {}
local entries = call('HGETALL', pending)
for index = 1, #entries, 2 do
  local parts = split(entries[index + 1])
  -- Settled long before the database was read: it is in the sums.
  if provisional or tonumber(parts[3]) >= recentSince then
    isPending[entries[index]] = true
    add(tonumber(parts[1]), tonumber(parts[2]))
  end
end
local time = call('TIME')
local server = text(time[1] * 1000 + math.floor(time[2] / 1000))
for index = at + 1, at + 3 * tonumber(ARGV[at]), 3 do
  if not isPending[ARGV[index]] then
    call('ZADD', settled, 'NX', server, ARGV[index])
    call('PEXPIRE', settled, 3600000)
    add(tonumber(ARGV[index + 1]), tonumber(ARGV[index + 2]))
  end
end

call('DEL', spend)
call('HSET', spend, 'sig', ARGV[2], 'mode', mode, 'recentSince', ARGV[5], 'total', text(total),
  'weekAt', ARGV[7], 'week', text(week[2]), 'monthAt', ARGV[9], 'month', text(month[2]))
if provisional then call('HSET', spend, 'until', ARGV[4]) else call('DEL', pending) end
local function writeBuckets(prefix, buckets)
  local sum, low = 0, nil
  for bucket, nanos in pairs(buckets) do
    if type(bucket) == 'number' then
      call('HSET', spend, prefix .. ':' .. text(bucket), text(nanos))
      sum = sum + nanos
      if not low or bucket < low then low = bucket end
    end
  end
  call('HSET', spend, prefix .. 'sum', text(sum))
  if low then call('HSET', spend, prefix .. 'lo', text(low)) end
end
writeBuckets('5', five)
if mode == 'r' then
  writeBuckets('d', rolling)
else
  call('HSET', spend, 'dayAt', ARGV[11], 'day', text(day[2]))
end
call('PEXPIRE', spend, KEEP_SPEND_MS)
return 'seeded'
