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
-- hence `text`. Expiry is only against keys of subjects that never come back, so it is set now and then: `sometimes`.

local BUCKETS_5H, BUCKETS_DAY = 130, 200 -- more than can lie between the lowest and the highest bucket
local KEEP_IN_FLIGHT_MS, KEEP_SPEND_MS = 86400000, 172800000

local call = redis.call
local function text(value) return string.format('%.0f', value) end
local function number(value) return tonumber(value) or 0 end
local function sometimes(now) return now % 8 == 0 end

-- Sum of the live buckets of a rolling window; drops those below `low`. Also the lowest bucket that may exist now.
local function roll(key, prefix, lo, sum, low, span)
  sum = number(sum)
  lo = tonumber(lo)
  if not lo or lo >= low then return sum, lo end
  local names, gone = {}, {}
  for bucket = lo, math.min(low - 1, lo + span) do names[#names + 1] = prefix .. ':' .. text(bucket) end
  local values = call('HMGET', key, unpack(names))
  for index, value in ipairs(values) do
    if value then
      sum = sum - number(value)
      gone[#gone + 1] = names[index]
    end
  end
  if #gone > 0 then call('HDEL', key, unpack(gone)) end
  if low > lo + span or sum < 0 then sum = 0 end
  call('HSET', key, prefix .. 'lo', text(low), prefix .. 'sum', text(sum))
  return sum, low
end

-- The sum of a calendar window, 0 if what is stored is of an earlier one.
local function current(at, sum, start)
  if at >= start then return number(sum) end
  return 0
end

-- The numbers of a subject, or nil if it is cold, and then whether somebody is about to rebuild them.
-- `position` = {now, low5, lowDay, weekStart, monthStart}; without `signature` any meaning will do.
local function standing(key, position, dayStart, signature)
  local v = call('HMGET', key, 'sig', 'until', 'total', 'weekAt', 'week', 'monthAt', 'month', 'mode', 'dayAt', 'day',
    '5lo', '5sum', 'dlo', 'dsum', 'recentSince', 'claim')
  if not v[1] or (signature and v[1] ~= signature) then return nil, v[16] end
  local provisional = number(v[2])
  if provisional > 0 and position[1] > provisional then return nil, v[16] end
  local s = { provisional = provisional > 0, recentSince = number(v[15]), rolling = v[8] == 'r',
    weekAt = number(v[4]), monthAt = number(v[6]), dayAt = number(v[9]) }
  s.total = number(v[3])
  s.five, s.fiveLo = roll(key, '5', v[11], v[12], position[2], BUCKETS_5H)
  if s.rolling then
    s.day, s.dayLo = roll(key, 'd', v[13], v[14], position[3], BUCKETS_DAY)
  else
    s.day = current(s.dayAt, v[10], dayStart)
  end
  s.week = current(s.weekAt, v[5], position[4])
  s.month = current(s.monthAt, v[7], position[5])
  return s
end

-- Adds what a request that began at `started` cost, to the key and to `s` (from `standing`, for windows at `started`).
-- starts = {week, month, day} at `started`. False if it opened a new bucket, which happens every five minutes.
local function addSpent(key, s, position, nanos, started, starts)
  s.total = s.total + nanos
  local fields = { 'total', text(s.total) }
  local function set(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = text(value)
  end
  local function window(name, start, current)
    local at = name .. 'At'
    if start < s[at] or start < current then return end -- of a window that is over
    if start > s[at] then
      s[at], s[name] = start, 0
      set(at, start)
    end
    s[name] = s[name] + nanos
    set(name, s[name])
  end
  local function bucket(prefix, name, width, low, lo)
    local index = math.floor(started / width)
    if index < low then return true end
    s[name] = s[name] + nanos
    set(prefix .. 'sum', s[name])
    if not lo or index < lo then set(prefix .. 'lo', index) end
    return call('HINCRBY', key, prefix .. ':' .. text(index), text(nanos)) > nanos
  end
  window('week', starts[1], position[4])
  window('month', starts[2], position[5])
  local known = bucket('5', 'five', 300000, position[2], s.fiveLo)
  if s.rolling then bucket('d', 'day', 900000, position[3], s.dayLo) else window('day', starts[3], 0) end
  call('HSET', key, unpack(fields))
  return known
end

local function split(value)
  local parts = {}
  for part in string.gmatch(value, '%S+') do parts[#parts + 1] = part end
  return parts
end

local function keyTag(session) return 'k' .. string.match(session, '^(%d+):') end

local function dropSession(sessions, live, session)
  call('ZREM', sessions, session)
  call('HDEL', live, 's:' .. session)
  local name = 'n:' .. keyTag(session)
  if call('HINCRBY', live, name, -1) <= 0 then call('HDEL', live, name) end
end

-- A request in flight more in a session that stays active until at least `leaseUntil`.
local function enterSession(sessions, live, session, now, leaseUntil)
  local score = tonumber(call('ZSCORE', sessions, session))
  local state = call('HGET', live, 's:' .. session)
  if state then
    local parts = split(state)
    call('HSET', live, 's:' .. session, text(parts[1] + 1) .. ' ' .. parts[2])
  else
    local idleUntil = 0
    if score and score > now then idleUntil = score end
    call('HSET', live, 's:' .. session, '1 ' .. text(idleUntil))
  end
  if not score then call('HINCRBY', live, 'n:' .. keyTag(session), 1) end
  if not score or leaseUntil > score then call('ZADD', sessions, text(leaseUntil), session) end
  if not score or sometimes(now) then
    call('PEXPIRE', sessions, KEEP_IN_FLIGHT_MS)
    call('PEXPIRE', live, KEEP_IN_FLIGHT_MS)
  end
end

-- One request in flight less; served ones keep the session active until `idleUntil` (0 = not served).
local function leaveSession(sessions, live, session, now, idleUntil)
  local state = call('HGET', live, 's:' .. session)
  local count, idle = 0, idleUntil
  if state then
    local parts = split(state)
    count = parts[1] - 1
    idle = math.max(idle, number(parts[2]))
  end
  if count > 0 then
    call('HSET', live, 's:' .. session, text(count) .. ' ' .. text(idle))
    local score = number(call('ZSCORE', sessions, session))
    if idle > score then call('ZADD', sessions, text(idle), session) end
    return
  end
  call('HDEL', live, 's:' .. session)
  if idle > now then
    if call('ZADD', sessions, text(idle), session) == 1 then
      call('HINCRBY', live, 'n:' .. keyTag(session), 1)
    end
  elseif call('ZSCORE', sessions, session) then
    dropSession(sessions, live, session)
  end
end

-- Writes a hold down, with everything that goes with it.
local function takeHold(holds, sessions, live, hold, now, leaseUntil)
  call('ZADD', holds, text(leaseUntil), hold)
  local parts = split(hold)
  if number(parts[3]) > 0 then
    for tag in string.gmatch(parts[2], '[^,]+') do call('HINCRBY', live, 'h:' .. tag, parts[3]) end
    call('PEXPIRE', live, KEEP_IN_FLIGHT_MS)
  end
  if parts[4] then enterSession(sessions, live, parts[4], now, leaseUntil) end
  if sometimes(now) then call('PEXPIRE', holds, KEEP_IN_FLIGHT_MS) end
end

-- Gives back what a hold holds. False if it is gone already.
local function giveBack(holds, sessions, live, hold, now, idleUntil)
  if call('ZREM', holds, hold) == 0 then return false end
  local parts = split(hold)
  if number(parts[3]) > 0 then
    for tag in string.gmatch(parts[2], '[^,]+') do
      local name = 'h:' .. tag
      if call('HINCRBY', live, name, '-' .. parts[3]) <= 0 then call('HDEL', live, name) end
    end
  end
  if parts[4] then leaveSession(sessions, live, parts[4], now, idleUntil) end
  return true
end

-- Leases that ran out (their process is gone) and sessions that fell asleep.
local function expire(holds, sessions, live, now)
  for _, hold in ipairs(call('ZRANGEBYSCORE', holds, '-inf', now)) do
    giveBack(holds, sessions, live, hold, now, 0)
  end
  for _, session in ipairs(call('ZRANGEBYSCORE', sessions, '-inf', now, 'LIMIT', 0, 1000)) do
    dropSession(sessions, live, session)
  end
end

-- Active sessions of a key (tag k…) or of the whole slot.
local function activeSessions(sessions, live, tag, now)
  if string.sub(tag, 1, 1) == 'k' then return number(call('HGET', live, 'n:' .. tag)) end
  return call('ZCOUNT', sessions, '(' .. text(now), '+inf')
end

-- Five texts for one subject: total, 5h, day, week, month; or '' for a cold one.
local function report(answer, s)
  if not s then
    answer[#answer + 1] = ''
    return
  end
  for _, value in ipairs({ s.total, s.five, s.day, s.week, s.month }) do answer[#answer + 1] = text(value) end
end
