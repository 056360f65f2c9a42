-- Ends a request: gives its hold back and, unless it is only released, books what it cost. Once per record.
--
-- KEYS  1 holds  2 sessions  3 live  4 settled  5 session hash (read only with 14)
--       then 2 per subject: spend, pending
-- ARGV  1 now  2 low5  3 lowDay  4 weekStart  5 monthStart  6 record  7 hold ('' = none)  8 nanos ('' = release)
--       9 started  10 settled  11 idleUntil  12 weekStart at started  13 monthStart at started
--       14 bind '' | absent | overwrite  15 provider  16 binding ttl ms
--       then 3 per subject: tag, limited 0|1, dayStart at started
-- Returns {'settled' | 'duplicate' | 'released', then per subject as `report`}
local holds, sessions, live, settled = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = tonumber(ARGV[1])
local position = { now, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]) }
local record, hold, nanos = ARGV[6], ARGV[7], ARGV[8]
local started, settledAt, idleUntil = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local KEEP_SETTLED_MS, MOST_PENDING = 1800000, 20000

local status = 'released'
if nanos ~= '' then
  -- The server's clock, not the caller's: a command that a frozen server executes late must still be remembered.
  local time = call('TIME')
  local server = time[1] * 1000 + math.floor(time[2] / 1000)
  if call('ZADD', settled, 'NX', text(server), record) == 1 then
    status = 'settled'
    call('PEXPIRE', settled, KEEP_SETTLED_MS * 2)
    if sometimes(server) then call('ZREMRANGEBYSCORE', settled, '-inf', text(server - KEEP_SETTLED_MS)) end
  else
    status = 'duplicate'
  end
end

if hold ~= '' then
  giveBack(holds, sessions, live, hold, now, nanos ~= '' and idleUntil or 0)
end
if ARGV[14] ~= '' then
  if ARGV[14] == 'absent' then
    call('HSETNX', KEYS[5], 'provider', ARGV[15])
  else
    call('HSET', KEYS[5], 'provider', ARGV[15])
  end
  call('PEXPIRE', KEYS[5], ARGV[16])
end

local answer = { status }
local index = 0
for at = 17, #ARGV, 3 do
  local spend, pending = KEYS[6 + 2 * index], KEYS[7 + 2 * index]
  index = index + 1
  local dayStart = tonumber(ARGV[at + 2])
  local s, claimed = standing(spend, position, dayStart)
  if status == 'settled' then
    -- What was spent before the database was read for these numbers, and long ago then, is in them.
    if s and (s.provisional or settledAt >= s.recentSince) then
      local starts = { tonumber(ARGV[12]), tonumber(ARGV[13]), dayStart }
      if not addSpent(spend, s, position, tonumber(nanos), started, starts) then call('PEXPIRE', spend, KEEP_SPEND_MS) end
    end
    local keep = s and s.provisional
    if not s then keep = ARGV[at + 1] == '1' or claimed end
    if keep and call('HLEN', pending) < MOST_PENDING then
      call('HSET', pending, record, nanos .. ' ' .. ARGV[9] .. ' ' .. ARGV[10])
      call('PEXPIRE', pending, KEEP_IN_FLIGHT_MS)
    end
  end
  report(answer, s)
end
return answer
