-- Checks every limit of a request in order and takes everything it needs, or takes nothing.
--
-- KEYS  1 holds  2 sessions  3 live  4 rpm (zset record → ms)  5 session hash  6 alternative session's hash
--       7… spend of each subject
-- ARGV  1 now  2 low5  3 lowDay  4 weekStart  5 monthStart  6 leaseUntil  7 record  8 tags ("u,k12")
--       9 session ('' = none)  10 alternative ('' = none)  11 session ttl ms (0 = no number, no binding)  12 estimate  13 minimum  14 rpm limit
--       then 10 per subject: tag, signature, hard 0|1, dayStart, and limits (0 = off): concurrent, total, 5h, day,
--       week, month. The key comes before its user.
-- Returns {'taken', granted, sequence, bound provider, alternative 0|1, then per subject as `report`}
--         {'refused', subject from 0, dimension, current}
--         {'cold', subjects from 0 …}
local holds, sessions, live, rpm = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = tonumber(ARGV[1])
local position = { now, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]) }
local leaseUntil, record, tags, session, sessionKey = tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9], KEYS[5]
local estimate, minimum, rpmLimit = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])

local subjects, cold = {}, {}
for at = 15, #ARGV, 10 do
  local index = #subjects + 1
  local subject = { key = KEYS[6 + index], tag = ARGV[at], hard = ARGV[at + 2] == '1', dayStart = tonumber(ARGV[at + 3]),
    concurrent = tonumber(ARGV[at + 4]) }
  local limits, limited = {}, false
  for offset = 5, 9 do
    limits[offset - 4] = tonumber(ARGV[at + offset])
    limited = limited or limits[offset - 4] > 0
  end
  subject.limits = limits
  subject.spent = standing(subject.key, position, subject.dayStart, ARGV[at + 1])
  if limited and not subject.spent then cold[#cold + 1] = index - 1 end
  subjects[index] = subject
end
if #cold > 0 then return { 'cold', unpack(cold) } end

expire(holds, sessions, live, now)

local alternative = 0
if session ~= '' and ARGV[10] ~= '' and call('HEXISTS', live, 's:' .. session) == 1 then
  alternative, session, sessionKey = 1, ARGV[10], KEYS[6]
end

local granted = estimate
-- Nil if the subject can afford the request, else how much it has spent and holds.
local function over(subject, spent, limit)
  if limit == 0 then return nil end
  if not subject.hard then
    if spent >= limit then return spent end
    return nil
  end
  local left = limit - spent - subject.held
  if left <= 0 or left < minimum then return spent + subject.held end
  if left < granted then granted = left end
  return nil
end

local reserves = false
for _, subject in ipairs(subjects) do
  if subject.hard then
    subject.held = number(call('HGET', live, 'h:' .. subject.tag))
    reserves = true
  end
end
local dimensions = { 'total', 'concurrent', 'rpm', 'fiveHour', 'daily', 'weekly', 'monthly' }
local amounts = { total = { 'total', 1 }, fiveHour = { 'five', 2 }, daily = { 'day', 3 }, weekly = { 'week', 4 }, monthly = { 'month', 5 } }
for _, dimension in ipairs(dimensions) do
  if dimension == 'rpm' then
    if rpmLimit > 0 then
      call('ZREMRANGEBYSCORE', rpm, '-inf', now - 60000)
      local count = call('ZCARD', rpm)
      if count >= rpmLimit then return { 'refused', #subjects - 1, 'rpm', text(count) } end
    end
  else
    for index, subject in ipairs(subjects) do
      local current
      if dimension == 'concurrent' then
        if subject.concurrent > 0 and session ~= '' and number(call('ZSCORE', sessions, session)) <= now then
          local count = activeSessions(sessions, live, subject.tag, now)
          if count >= subject.concurrent then current = count end
        end
      elseif subject.spent then
        local amount = amounts[dimension]
        current = over(subject, subject.spent[amount[1]], subject.limits[amount[2]])
      end
      if current then return { 'refused', index - 1, dimension, text(current) } end
    end
  end
end

if not reserves then granted = 0 end
local hold = record .. ' ' .. tags .. ' ' .. text(granted)
if session ~= '' then hold = hold .. ' ' .. session end
takeHold(holds, sessions, live, hold, now, leaseUntil)
if rpmLimit > 0 then
  call('ZADD', rpm, now, record)
  call('PEXPIRE', rpm, 120000)
end

local sequence, bound = 0, '0'
if session ~= '' and ARGV[11] ~= '0' then
  sequence = call('HINCRBY', sessionKey, 'sequence', 1)
  bound = call('HGET', sessionKey, 'provider') or '0'
  call('PEXPIRE', sessionKey, ARGV[11])
end

local answer = { 'taken', text(granted), sequence, bound, alternative }
for _, subject in ipairs(subjects) do report(answer, subject.spent) end
return answer
