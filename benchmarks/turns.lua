-- What wrk asks: each of a hundred sessions in turn gets a turn of two messages, and its memory is read.
-- The summary counts what was appended and acknowledged, which is what has to be stored afterwards.

local said = string.rep("so it was said ", 14)
local body = string.format(
  '{"messages": [{"role": "human", "content": "%s"}, {"role": "ai", "content": "%s"}]}', said, said
)
local headers = { ["content-type"] = "application/json" }
local threads = {}
local asked = 0

acknowledged = 0
refused = 0

function setup(thread)
  table.insert(threads, thread)
end

function request()
  asked = asked + 1
  local path = "/api/v1/sessions/s" .. math.floor(asked / 2) % 100 .. "/memory"
  if asked % 2 == 1 then
    return wrk.format("POST", path, headers, body)
  end
  return wrk.format("GET", path)
end

function response(status, _, answer)
  if status ~= 200 then
    refused = refused + 1
  elseif #answer <= 4 then
    acknowledged = acknowledged + 1
  end
end

function done(summary, latency)
  local acknowledged, refused = 0, 0
  for _, thread in ipairs(threads) do
    acknowledged = acknowledged + thread:get("acknowledged")
    refused = refused + thread:get("refused")
  end
  local figures = '{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "acknowledged": %d, "refused": %d}\n'
  io.stderr:write(string.format(
    figures, summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    acknowledged, refused
  ))
end
