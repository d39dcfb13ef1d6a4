-- Tells what a request has cost, as dynamic metadata `headgate.ai`, for logs, metrics and limits.
--
-- The provider's word counts: a filter of its cluster leaves it as typed metadata once the response has ended. Until
-- then, and where it never comes (the client or the provider cuts the stream), estimates are there, or nobody would
-- pay for responses that are cut before their end.

local SPACE = "headgate.ai"
local PROVIDER_COUNTS = "envoy.ai.token_usage"
local MODEL = "envoy.ai.model.request"
local MOST = 1000000000  -- tokens, or micro-USD, of one request: as much as Envoy takes off a limit at once
local BYTES_PER_TOKEN = 4
local LONGEST_EVENT = 16384
local LONGEST_COUNT = 64
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local byte, find, match, gmatch, sub = string.byte, string.find, string.match, string.gmatch, string.sub

local OPERATIONS = {
  {"/chat/completions$", "chat"}, {"/messages$", "chat"}, {"/responses$", "chat"},
  {"/completions$", "text_completion"}, {"/embeddings$", "embeddings"},
}

local function operation_of(path)
  local bare = match(path, "^[^?]*")
  for _, each in ipairs(OPERATIONS) do
    if find(bare, each[1]) then return each[2] end
  end
  return "other"
end

local function capped(count)
  if not count or count ~= count or count < 0 then return 0 end
  return min(floor(count), MOST)
end

-- Micro-USD, rounded up: prices are whole numbers of USD for 10^12 tokens. Numbers are doubles, so that products are
-- put together from two halves, each of which is exact.
local function cost_of(input, cached, output, price)
  local high, low = 0, 0
  local function add(tokens, each)
    high = high + floor(tokens / 32768) * each
    low = low + tokens % 32768 * each
  end
  add(input - cached, price.input)
  add(cached, price.cached)
  add(output, price.output)
  local rest = high % 1000000
  return min((high - rest) / 1000000 * 32768 + ceil((rest * 32768 + low) / 1000000), MOST)
end

local function price_of(context)
  local input = context:get("input_price")
  if not input then return nil end
  return {input = input, cached = context:get("cached_price") or input, output = context:get("output_price") or 0}
end

-- What hands on metadata is new after each chunk of a body: what a script held before is void.
local function metadata_of(handle) return handle:streamInfo():dynamicMetadata() end

local function tell(metadata, price, input, cached, output, total)
  input, output = capped(input), capped(output)
  cached = min(capped(cached), input)
  metadata:set(SPACE, "input", input)
  metadata:set(SPACE, "cached", cached)
  metadata:set(SPACE, "output", output)
  metadata:set(SPACE, "total", capped(total or input + output))
  if price then metadata:set(SPACE, "micro_usd", cost_of(input, cached, output, price)) end
end

-- What a response says before it has ended.
local TEXTS = {content = true, text = true, arguments = true, partial_json = true, thinking = true, delta = true,
  reasoning_content = true, reasoning = true, refusal = true}
local COUNTS = {prompt_tokens = "input", input_tokens = "input", completion_tokens = "output", output_tokens = "output",
  cached_tokens = "cached", cache_read_input_tokens = "read", cache_creation_input_tokens = "created",
  promptTokenCount = "input", candidatesTokenCount = "output", cachedContentTokenCount = "cached"}

-- Keys in texts that a model writes have escaped quotation marks: they are not taken for these.
local function note_counts(seen, text)
  for key, count in gmatch(text, '"([%w_]+)"%s*:%s*(%d+)') do
    local name = COUNTS[key]
    if name then seen[name] = max(seen[name] or 0, capped(tonumber(count))) end
  end
end

-- The place of the quotation mark that ends a string.
local function end_of_string(text, place)
  while true do
    local special = find(text, '["\\]', place)
    if not special then return #text + 1 end
    if byte(text, special) == 34 then return special end
    place = special + 2
  end
end

local function note_event(seen, line)
  if sub(line, 1, 5) ~= "data:" then return end
  if find(line, "oken", 1, true) then note_counts(seen, line) end
  local bytes, place = 0, 6
  while true do
    local _, first, key = find(line, '"([%w_]+)"%s*:%s*"', place)
    if not first then break end
    place = end_of_string(line, first + 1)
    if TEXTS[key] then bytes = bytes + place - first - 1 end
    place = place + 1
  end
  seen.tokens = seen.tokens + ceil(bytes / BYTES_PER_TOKEN)
end

-- Takes the complete lines of an event stream; what is left of the last one waits for its rest.
local function note_stream(seen, text)
  if seen.rest ~= "" then text = seen.rest .. text end
  local place = 1
  while true do
    local last = find(text, "\n", place, true)
    if not last then break end
    note_event(seen, sub(text, place, last - 1))
    place = last + 1
  end
  seen.rest = sub(text, place)
  if #seen.rest > LONGEST_EVENT then
    seen.tokens = seen.tokens + ceil(#seen.rest / BYTES_PER_TOKEN)
    seen.rest = ""
  end
end

local function note_whole(seen, text)
  text = seen.rest .. text
  if find(text, "oken", 1, true) then note_counts(seen, text) end
  seen.rest = sub(text, -LONGEST_COUNT)
end

local function input_so_far(seen, asked)
  return seen.input and seen.input + (seen.read or 0) + (seen.created or 0) or asked
end

local function tell_so_far(metadata, price, seen, asked)
  tell(metadata, price, input_so_far(seen, asked), seen.cached or seen.read, max(seen.output or 0, seen.tokens))
end

local function value(count) return count and (count.value or 0) end

-- What the provider said, as Envoy has read it; false where it has not.
local function tell_final(metadata, price, found, seen, asked)
  local input, output = value(found.input_tokens), value(found.output_tokens)
  if not input and not output then return false end
  local details = found.input_token_details
  local cached = details and value(details.cached_tokens)
  metadata:set(SPACE, "estimated", not input)
  input, output = capped(input or input_so_far(seen, asked)), capped(output)
  local total = value(found.provider_total_tokens) or value(found.total_tokens)
  tell(metadata, price, input, cached, output, max(capped(total), input + output))
  return true
end

function envoy_on_request(handle)
  local stream, context, headers = handle:streamInfo(), handle:filterContext(), handle:headers()
  local metadata, price = stream:dynamicMetadata(), price_of(context)
  metadata:set(SPACE, "operation", operation_of(headers:get(":path") or ""))
  local asked_model, rule_model = stream:filterState():get(MODEL), context:get("model")
  if asked_model then metadata:set(SPACE, "request_model", asked_model) end
  if rule_model then metadata:set(SPACE, "rule_model", rule_model) end
  metadata:set(SPACE, "route", match(stream:routeName() or "", "^[^/]*/[^/]*/[^/]*") or "-")
  metadata:set(SPACE, "estimated", true)
  local length = tonumber(headers:get("content-length") or "")
  if not length then
    length = 0
    for chunk in handle:bodyChunks() do length = length + chunk:length() end
  end
  tell(metadata_of(handle), price, ceil(length / BYTES_PER_TOKEN), 0, 0)
end

local function read_response(handle, price, asked)
  local kind = handle:headers():get("content-type") or ""
  local is_stream = find(kind, "event-stream", 1, true)
  local seen = {tokens = 0, rest = ""}
  if not is_stream and not find(kind, "json", 1, true) then return seen end
  for chunk in handle:bodyChunks() do
    local text = chunk:getBytes(0, chunk:length())
    if is_stream then
      note_stream(seen, text)
      tell_so_far(metadata_of(handle), price, seen, asked)
    else
      note_whole(seen, text)
    end
  end
  return seen, is_stream
end

function envoy_on_response(handle)
  local metadata, price = metadata_of(handle), price_of(handle:filterContext())
  local own = metadata:get(SPACE)
  if not own then return end
  local status = handle:headers():get(":status")
  if not find(status, "^2") then
    metadata:set(SPACE, "error", status)
    tell(metadata, price, 0, 0, 0)
    metadata:set(SPACE, "estimated", false)
    return
  end
  local asked = own.input
  local seen, is_stream = read_response(handle, price, asked)
  handle:trailers()
  metadata = metadata_of(handle)
  local found = handle:streamInfo():dynamicTypedMetadata(PROVIDER_COUNTS)
  if found and found.model and found.model ~= "" then metadata:set(SPACE, "model", found.model) end
  if found and tell_final(metadata, price, found, seen, asked) then return end
  if not is_stream and (seen.input or seen.output) then
    -- Embeddings: all that they count is the input, of which Envoy makes nothing.
    tell_so_far(metadata, price, seen, 0)
    metadata:set(SPACE, "estimated", false)
  end
end
