-- Has a request be what its provider takes: address, headers, path, model and usage.
--
-- It runs for each attempt, in the cluster of the provider. Headers are those that the attempt before left, with its
-- credentials; the body is the client's own. What is the provider's comes in one header, which the filter before this
-- one has written. Nothing goes on where anything fails.

local byte, find, sub, lower, concat = string.byte, string.find, string.sub, string.lower, table.concat

local CONFIG = "x-headgate-ai-provider"
local SAVED = "headgate.ai.request"  -- metadata: what the first attempt found
local STRIP = {"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "x-goog-user-project",
  "x-goog-iam-authorization-token", "ocp-apim-subscription-key", "x-serverless-authorization", "cookie", "cookie2",
  "openai-organization", "openai-project", "x-amzn-oidc-data", "x-amzn-oidc-accesstoken", "x-real-ip", "forwarded",
  "via", "accept-encoding"}
local STRIP_PREFIXES = {"x-amz-", "x-headgate-", "x-forwarded-", "x-envoy-"}
local SECRET_PARAMETERS = {key = true, ["api-key"] = true, api_key = true, apikey = true, access_token = true,
  token = true, auth = true, authorization = true, ["subscription-key"] = true}
local OPERATIONS = {"/chat/completions", "/completions", "/responses", "/embeddings", "/messages",
  "/messages/count_tokens", "/moderations", "/images/generations", "/images/edits", "/audio/speech",
  "/audio/transcriptions", "/audio/translations", "/rerank", "/models"}
local COUNTED = {["chat/completions"] = true, completions = true}
local REFUSED, BAD = {}, {}  -- thrown, and compared by identity

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end

-- What is the provider's, by names; several values of one name in a list.
local known, known_count = {}, 0
local function configuration(text)
  local made = known[text]
  if made then return made end
  made = {strip = {}, set = {}, takes = {}}
  for name, value in text:gmatch("([^&=]+)=([^&]*)") do
    value = decoded(value)
    if type(made[name]) == "table" then made[name][#made[name] + 1] = value else made[name] = value end
  end
  if known_count >= 1000 then known, known_count = {}, 0 end
  known[text], known_count = made, known_count + 1
  return made
end

local function quoted(text)
  return '"' .. text:gsub('[%z\1-\31"\\]', function(found) return ("\\u%04x"):format(byte(found)) end) .. '"'
end

-- Answers in the shape of the client's API.
local function refuse(handle, anthropic, status, message)
  local error = '"message":' .. quoted(message)
  local type = status == "500" and "api_error" or "invalid_request_error"
  local body = anthropic and '{"type":"error","error":{"type":"' .. type .. '",' .. error .. "}}"
    or '{"error":{' .. error .. ',"type":"' .. type .. '","param":null,"code":null}}'
  handle:respond({[":status"] = status, ["content-type"] = "application/json"}, body)
  error(REFUSED, 0)
end

-- JSON, of which places are found and nothing is built. All take the place of a first byte, and return that after.

local function bad() error(BAD, 0) end

local function after_blanks(text, place) return (find(text, "[^ \t\r\n]", place)) or bad() end

local function after_string(text, place)
  if byte(text, place) ~= 34 then bad() end
  local at = place + 1
  while true do
    local found = find(text, '["\\]', at) or bad()
    if byte(text, found) == 34 then return found + 1 end
    at = found + 2
  end
end

local function after_value(text, place)
  local first = byte(text, place)
  if first == 34 then return after_string(text, place) end
  if first ~= 123 and first ~= 91 then
    local _, last = find(text, "^[-+.%w]+", place)
    return (last or bad()) + 1
  end
  local open, depth, at = {}, 0, place
  repeat
    local found = find(text, '["{}%[%]]', at) or bad()
    local sign = byte(text, found)
    if sign == 34 then
      at = after_string(text, found)
    elseif sign == 123 or sign == 91 then
      depth = depth + 1
      open[depth] = sign + 2
      at = found + 1
    else
      if open[depth] ~= sign then bad() end
      depth = depth - 1
      at = found + 1
    end
  until depth == 0
  return at
end

local function key_of(text, from, to)
  local key = sub(text, from + 1, to - 2)
  if not find(key, "\\", 1, true) then return lower(key) end
  key = key:gsub("\\u00(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
  return lower((key:gsub("\\(.)", "%1")))
end

-- The members of the object at a place, in their order, and the place after it. Keys are in lower case: some servers
-- do not tell cases apart.
local function members(text, place)
  if byte(text, place) ~= 123 then bad() end
  local made, at = {}, after_blanks(text, place + 1)
  if byte(text, at) == 125 then return made, at + 1 end
  while true do
    local key_end = after_string(text, at)
    local colon = after_blanks(text, key_end)
    if byte(text, colon) ~= 58 then bad() end
    local from = after_blanks(text, colon + 1)
    local to = after_value(text, from)
    made[#made + 1] = {key = key_of(text, at, key_end), from = from, to = to}
    at = after_blanks(text, to)
    local sign = byte(text, at)
    if sign == 125 then return made, at + 1 end
    if sign ~= 44 then bad() end
    at = after_blanks(text, at + 1)
  end
end

local function value_of(text, found, name)
  local value
  for _, each in ipairs(found) do
    if each.key == name then value = each end
  end
  return value, value and sub(text, value.from, value.to - 1)
end

-- Has members of an object be of one value; adds one if there is none. `edits` gets what is to be changed.
local function set_member(text, place, found, name, value, edits)
  local there = false
  for _, each in ipairs(found) do
    if each.key == name then
      edits[#edits + 1] = {from = each.from, to = each.to, text = value}
      there = true
    end
  end
  if not there then
    local more = '"' .. name .. '":' .. value .. (#found > 0 and "," or "")
    edits[#edits + 1] = {from = place + 1, to = place + 1, text = more}
  end
end

local function edited(text, edits)
  table.sort(edits, function(one, other) return one.from < other.from end)
  local made, at = {}, 1
  for _, each in ipairs(edits) do
    made[#made + 1] = sub(text, at, each.from - 1)
    made[#made + 1] = each.text
    at = each.to
  end
  made[#made + 1] = sub(text, at)
  return concat(made)
end

-- A body as the provider takes it; nil if it stays as it is.
local function body_for(provider, operation, text)
  local place = after_blanks(text, 1)
  local found, after = members(text, place)
  if find(text, "[^ \t\r\n]", after) then bad() end
  local edits = {}
  if provider.model then set_member(text, place, found, "model", quoted(provider.model), edits) end
  local _, stream = value_of(text, found, "stream")
  if provider.usage and COUNTED[operation] and stream == "true" then
    local options, value = value_of(text, found, "stream_options")
    if value and byte(value) == 123 then
      set_member(text, options.from, members(text, options.from), "include_usage", "true", edits)
    else
      set_member(text, place, found, "stream_options", '{"include_usage":true}', edits)
    end
  end
  return #edits > 0 and edited(text, edits) or nil
end

-- The operation that a path names, and its query without credentials.
local function operation_of(path)
  local bare, query = path:match("^([^?]*)%??(.*)$")
  local operation = bare:match("/v1/(.*)$")
  if not operation then
    for _, each in ipairs(OPERATIONS) do
      if not operation and sub(bare, -#each) == each then operation = sub(each, 2) end
    end
  end
  operation = operation or sub(bare, 2)
  local kept = {}
  for part in query:gmatch("[^&]+") do
    if not SECRET_PARAMETERS[lower(decoded(part:match("^[^=]*")))] then kept[#kept + 1] = part end
  end
  return operation, #kept > 0 and "?" .. concat(kept, "&") or ""
end

local function strip(headers, more)
  for _, each in ipairs(STRIP) do headers:remove(each) end
  for _, each in ipairs(more) do headers:remove(each) end
  local found = {}
  for name in pairs(headers) do
    for _, each in ipairs(STRIP_PREFIXES) do
      if sub(name, 1, #each) == each then found[#found + 1] = name end
    end
  end
  for _, each in ipairs(found) do headers:remove(each) end
end

local function saved(handle, headers)
  local metadata = handle:streamInfo():dynamicMetadata()
  local first = metadata:get(SAVED)
  if first and first.path then return first.path, first.length end
  local path, length = headers:get(":path"), headers:get("content-length") or ""
  metadata:set(SAVED, "path", path)
  metadata:set(SAVED, "length", length)
  return path, length
end

local function prepare(handle)
  local headers = handle:headers()
  local text = headers:get(CONFIG)
  local path, length = saved(handle, headers)
  local operation, query = operation_of(path)
  local anthropic = operation == "messages" or operation:match("^messages/") ~= nil
  local provider = configuration(text)
  strip(headers, provider.strip)
  if not provider.takes[1] then error("no configuration") end
  local api, taken = anthropic and "anthropic" or "openai", false
  for _, each in ipairs(provider.takes) do taken = taken or each == api end
  if not taken then
    refuse(handle, anthropic, "400", "The provider " .. provider.name .. " does not speak this API.")
  end
  if length ~= "" then headers:replace("content-length", length) else headers:remove("content-length") end
  if provider.host then headers:replace(":authority", provider.host) end
  for _, each in ipairs(provider.set) do
    local name, value = each:match("^([^:]+):(.*)$")
    if not headers:get(name) then headers:replace(name, value) end
  end
  headers:replace(":path", (provider.prefix or "") .. "/" .. operation .. query)
  if not provider.model and not (provider.usage and COUNTED[operation]) then return end
  local body = handle:body()
  if not body then return end
  local ok, made = pcall(body_for, provider, operation, body:getBytes(0, body:length()))
  if not ok and made ~= BAD then error(made, 0) end
  if not ok and provider.model then
    refuse(handle, anthropic, "400", "The body must be a JSON object: its model is replaced.")
  end
  if ok and made then body:setBytes(made) end
end

function envoy_on_request(handle)
  local ok, failed = pcall(prepare, handle)
  if not ok and failed ~= REFUSED then
    handle:logErr("AI provider: " .. tostring(failed))
    refuse(handle, false, "500", "The request could not be prepared for its provider.")
  end
end
