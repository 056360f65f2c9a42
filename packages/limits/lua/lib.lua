-- Put in front of every script: functions over the keys of one slot ({u:7} a user with all its keys, {p:3} a provider).
--
-- holds     zset  one member per request in flight, score = end of its lease:
--                 "record tags granted session", e.g. "0192… u,k12 250000 12:Zm9v…"; tags = who holds `granted` nanos
-- sessions  zset  sessions that count as active, score = until when without further requests
-- live      hash  s:<session> "in-flight idle-until", h:<tag> nanos held, n:<key tag> active sessions of that key
-- spend     hash  per subject: sig (what the numbers mean; absent = cold), until (set = provisional until then),
--                 recentSince, total, weekAt week, monthAt month, mode f|r, dayAt day (f), dlo dsum d:<bucket> (r),
--                 5lo 5sum 5:<bucket>, claim claimUntil
-- pending   hash  per subject: record → "nanos started settled" of what was spent while the subject was cold
-- settled   zset  records that have been settled, score = server time
--
-- Money is whole nano-dollars; doubles are exact up to 2^53 = 9 million USD. Lua would print large numbers as 1e+15,
-- hence `text`.

local BUCKETS_5H, BUCKETS_DAY = 130, 200 -- more than can lie between the lowest and the highest bucket
local KEEP_IN_FLIGHT_MS, KEEP_SPEND_MS = 86400000, 172800000

local function text(value) return string.format('%.0f', value) end
local function number(value) return tonumber(value) or 0 end

-- Sum of the live buckets of a rolling window; drops those below `low`. Also the lowest bucket that may exist now.
local function roll(key, prefix, lo, sum, low, span)
  sum = number(sum)
  lo = tonumber(lo)
  if not lo or lo >= low then return sum, lo end
  local names, gone = {}, {}
  for bucket = lo, math.min(low - 1, lo + span) do names[#names + 1] = prefix .. ':' .. text(bucket) end
  local values = redis.call('HMGET', key, unpack(names))
  for index, value in ipairs(values) do
    if value then
      sum = sum - number(value)
      gone[#gone + 1] = names[index]
    end
  end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  if low > lo + span or sum < 0 then sum = 0 end
  redis.call('HSET', key, prefix .. 'lo', text(low), prefix .. 'sum', text(sum))
  return sum, low
end

-- The sum of a calendar window, 0 if what is stored is of an earlier one.
local function current(at, sum, start)
  if number(at) >= start then return number(sum) end
  return 0
end

-- The numbers of a subject, or nil if it is cold. `position` = {now, low5, lowDay, weekStart, monthStart}; without
-- `signature` any meaning will do.
local function standing(key, position, dayStart, signature)
  local v = redis.call('HMGET', key, 'sig', 'until', 'total', 'weekAt', 'week', 'monthAt', 'month', 'mode', 'dayAt', 'day',
    '5lo', '5sum', 'dlo', 'dsum', 'recentSince')
  if not v[1] or (signature and v[1] ~= signature) then return nil end
  local provisional = number(v[2])
  if provisional > 0 and position[1] > provisional then return nil end
  local s = { provisional = provisional > 0, recentSince = number(v[15]), rolling = v[8] == 'r',
    weekAt = number(v[4]), monthAt = number(v[6]), dayAt = number(v[9]) }
  s.total = number(v[3])
  s.five, s.fiveLo = roll(key, '5', v[11], v[12], position[2], BUCKETS_5H)
  if s.rolling then
    s.day, s.dayLo = roll(key, 'd', v[13], v[14], position[3], BUCKETS_DAY)
  else
    s.day = current(v[9], v[10], dayStart)
  end
  s.week = current(v[4], v[5], position[4])
  s.month = current(v[6], v[7], position[5])
  return s
end

local function addToWindow(key, name, at, start, nanos)
  if start > at then
    redis.call('HSET', key, name .. 'At', text(start), name, text(nanos))
  elseif start == at then
    redis.call('HINCRBY', key, name, text(nanos))
  end -- else: of a window that is over
end

local function addToBucket(key, prefix, lo, low, bucket, nanos)
  if bucket < low then return end
  redis.call('HINCRBY', key, prefix .. ':' .. text(bucket), text(nanos))
  redis.call('HINCRBY', key, prefix .. 'sum', text(nanos))
  if not lo or bucket < lo then redis.call('HSET', key, prefix .. 'lo', text(bucket)) end
end

-- Adds what a request that began at `started` cost. `s` as from `standing`; starts = {week, month, day} at `started`.
local function addSpent(key, s, position, nanos, started, starts)
  redis.call('HINCRBY', key, 'total', text(nanos))
  addToWindow(key, 'week', s.weekAt, starts[1], nanos)
  addToWindow(key, 'month', s.monthAt, starts[2], nanos)
  addToBucket(key, '5', s.fiveLo, position[2], math.floor(started / 300000), nanos)
  if s.rolling then
    addToBucket(key, 'd', s.dayLo, position[3], math.floor(started / 900000), nanos)
  else
    addToWindow(key, 'day', s.dayAt, starts[3], nanos)
  end
end

local function split(value)
  local parts = {}
  for part in string.gmatch(value, '%S+') do parts[#parts + 1] = part end
  return parts
end

local function keyTag(session) return 'k' .. string.match(session, '^(%d+):') end

local function dropSession(sessions, live, session)
  redis.call('ZREM', sessions, session)
  redis.call('HDEL', live, 's:' .. session)
  local name = 'n:' .. keyTag(session)
  if redis.call('HINCRBY', live, name, -1) <= 0 then redis.call('HDEL', live, name) end
end

-- A request in flight more in a session that stays active until at least `leaseUntil`.
local function enterSession(sessions, live, session, now, leaseUntil)
  local score = tonumber(redis.call('ZSCORE', sessions, session))
  local state = redis.call('HGET', live, 's:' .. session)
  if state then
    local parts = split(state)
    redis.call('HSET', live, 's:' .. session, text(parts[1] + 1) .. ' ' .. parts[2])
  else
    local idleUntil = 0
    if score and score > now then idleUntil = score end
    redis.call('HSET', live, 's:' .. session, '1 ' .. text(idleUntil))
  end
  if not score then redis.call('HINCRBY', live, 'n:' .. keyTag(session), 1) end
  if not score or leaseUntil > score then redis.call('ZADD', sessions, text(leaseUntil), session) end
end

-- One request in flight less; served ones keep the session active until `idleUntil` (0 = not served).
local function leaveSession(sessions, live, session, now, idleUntil)
  local state = redis.call('HGET', live, 's:' .. session)
  local count, idle = 0, idleUntil
  if state then
    local parts = split(state)
    count = parts[1] - 1
    idle = math.max(idle, number(parts[2]))
  end
  if count > 0 then
    redis.call('HSET', live, 's:' .. session, text(count) .. ' ' .. text(idle))
    local score = number(redis.call('ZSCORE', sessions, session))
    if idle > score then redis.call('ZADD', sessions, text(idle), session) end
    return
  end
  redis.call('HDEL', live, 's:' .. session)
  if idle > now then
    if redis.call('ZADD', sessions, text(idle), session) == 1 then
      redis.call('HINCRBY', live, 'n:' .. keyTag(session), 1)
    end
  elseif redis.call('ZSCORE', sessions, session) then
    dropSession(sessions, live, session)
  end
end

-- Writes a hold down, with everything that goes with it.
local function takeHold(holds, sessions, live, hold, now, leaseUntil)
  redis.call('ZADD', holds, text(leaseUntil), hold)
  local parts = split(hold)
  if number(parts[3]) > 0 then
    for tag in string.gmatch(parts[2], '[^,]+') do redis.call('HINCRBY', live, 'h:' .. tag, parts[3]) end
  end
  if parts[4] then
    enterSession(sessions, live, parts[4], now, leaseUntil)
    redis.call('PEXPIRE', sessions, KEEP_IN_FLIGHT_MS)
    redis.call('PEXPIRE', live, KEEP_IN_FLIGHT_MS)
  elseif number(parts[3]) > 0 then
    redis.call('PEXPIRE', live, KEEP_IN_FLIGHT_MS)
  end
  redis.call('PEXPIRE', holds, KEEP_IN_FLIGHT_MS)
end

-- Gives back what a hold holds. False if it is gone already.
local function giveBack(holds, sessions, live, hold, now, idleUntil)
  if redis.call('ZREM', holds, hold) == 0 then return false end
  local parts = split(hold)
  if number(parts[3]) > 0 then
    for tag in string.gmatch(parts[2], '[^,]+') do
      local name = 'h:' .. tag
      if redis.call('HINCRBY', live, name, '-' .. parts[3]) <= 0 then redis.call('HDEL', live, name) end
    end
  end
  if parts[4] then leaveSession(sessions, live, parts[4], now, idleUntil) end
  return true
end

-- Leases that ran out (their process is gone) and sessions that fell asleep.
local function expire(holds, sessions, live, now)
  for _, hold in ipairs(redis.call('ZRANGEBYSCORE', holds, '-inf', now)) do
    giveBack(holds, sessions, live, hold, now, 0)
  end
  for _, session in ipairs(redis.call('ZRANGEBYSCORE', sessions, '-inf', now, 'LIMIT', 0, 1000)) do
    dropSession(sessions, live, session)
  end
end

-- Active sessions of a key (tag k…) or of the whole slot.
local function activeSessions(sessions, live, tag, now)
  if string.sub(tag, 1, 1) == 'k' then return number(redis.call('HGET', live, 'n:' .. tag)) end
  return redis.call('ZCOUNT', sessions, '(' .. now, '+inf')
end

-- Seven texts for one subject: total, 5h, day, week, month, held, sessions.
local function report(answer, s, held, sessions)
  for _, value in ipairs({ s.total, s.five, s.day, s.week, s.month, held, sessions }) do
    answer[#answer + 1] = text(value)
  end
end
