-- Leaves out of lists of tools those that an agent may not call.
--
-- What the route says (filter context): `deny` and `allow`, patterns of names; `rules`, each with `tools`, `key` (of the
-- claims), `claims`, `scopes`, `headers` and `allows`; `default`, what becomes of what no rule matches. Whether the
-- conditions of a rule hold is known of the request; the list comes with the response.

local SPACE = "headgate.mcp"
local PROTOCOL, TOKENS = "envoy.filters.http.mcp", "envoy.filters.http.jwt_authn"
local BAD = {}  -- thrown
local byte, find, match, sub, gsub, gmatch, concat = string.byte, string.find, string.match, string.sub, string.gsub,
  string.gmatch, table.concat

local function bad() error(BAD, 0) end

-- Scanning JSON: what is left in stays byte for byte.

local function after_space(text, place) return match(text, "^[ \t\r\n]*()", place) end

-- The place behind a string that begins at `place`.
local function after_string(text, place)
  place = place + 1
  while true do
    local special = find(text, '["\\]', place) or bad()
    if byte(text, special) == 34 then return special + 1 end
    place = special + 2
  end
end

local after_value

-- Calls `each(key_start, key_end, value_start, value_end)` for all members of a map, or `each(start, end)` for items of
-- a list; returns the place behind it.
local function members(text, place, each)
  local is_map = byte(text, place) == 123
  local last = is_map and 125 or 93
  place = after_space(text, place + 1)
  if byte(text, place) == last then return place + 1 end
  while true do
    if is_map then
      if byte(text, place) ~= 34 then bad() end
      local key_end = after_string(text, place)
      local colon = after_space(text, key_end)
      if byte(text, colon) ~= 58 then bad() end
      local start = after_space(text, colon + 1)
      local stop = after_value(text, start)
      if each then each(sub(text, place + 1, key_end - 2), start, stop) end
      place = after_space(text, stop)
    else
      local stop = after_value(text, place)
      if each then each(place, stop) end
      place = after_space(text, stop)
    end
    local found = byte(text, place)
    if found == last then return place + 1 end
    if found ~= 44 then bad() end
    place = after_space(text, place + 1)
  end
end

after_value = function(text, place)
  local first = byte(text, place)
  if first == 34 then return after_string(text, place) end
  if first == 123 or first == 91 then return members(text, place) end
  return match(text, "^[-+.%w]+()", place) or bad()
end

-- The place of a member of a map; nil if it has none. The last of equal keys counts; one with escapes may be any.
local function member(text, place, name)
  if byte(text, place) ~= 123 then return nil end
  local at, to
  members(text, place, function(key, start, stop)
    if find(key, "\\", 1, true) then bad() end
    if key == name then at, to = start, stop end
  end)
  return at, to
end

-- Which tools an agent may call.

local function matches(name, patterns)
  for _, each in ipairs(patterns) do
    if find(name, each) then return true end
  end
  return false
end

local function may_call(name, context, holding)
  if not find(name, "^[A-Za-z0-9_./-]+$") or #name > 128 then return false end
  if matches(name, context.deny) then return false end
  if context.allow and not matches(name, context.allow) then return false end
  for place, rule in ipairs(context.rules) do
    if sub(holding, place, place) == "1" and (not rule.tools or matches(name, rule.tools)) then
      return rule.allows
    end
  end
  return context.default
end

-- A message of JSON-RPC without the tools that are not to be seen.
local function filtered(text, context, holding)
  local start = after_space(text, 1)
  if byte(text, start) ~= 123 then bad() end
  if after_space(text, after_value(text, start)) <= #text then bad() end
  local result = member(text, start, "result")
  local list = result and member(text, result, "tools")
  if not list then return text end
  if byte(text, list) ~= 91 then bad() end
  local kept = {}
  local stop = members(text, list, function(first, last)
    local at, to = member(text, first, "name")
    if not at or byte(text, at) ~= 34 then return end
    if may_call(sub(text, at + 1, to - 2), context, holding) then kept[#kept + 1] = sub(text, first, last - 1) end
  end)
  return sub(text, 1, list) .. concat(kept, ",") .. sub(text, stop - 1)
end

-- The fields of events that stay; the one without a name is a comment.
local FIELDS = {[""] = true, event = true, id = true, retry = true}

-- A stream of events (HTML, "Server-sent events"), each of which has a message.
local function filtered_stream(text, context, holding)
  text = gsub(gsub(gsub(text, "^\239\187\191", ""), "\r\n", "\n"), "\r", "\n")
  local events = {}
  for event in gmatch(text .. "\n\n", "(.-)\n\n+") do
    local others, data = {}, {}
    for line in gmatch(event .. "\n", "(.-)\n") do
      local said = line == "data" and "" or match(line, "^data: ?(.*)")
      if said then
        data[#data + 1] = said
      elseif line ~= "" and FIELDS[match(line, "^[^:]*")] then
        others[#others + 1] = line
      end
    end
    local whole = concat(data, "\n")
    if find(whole, "%S") then
      for line in gmatch(filtered(whole, context, holding) .. "\n", "(.-)\n") do
        others[#others + 1] = "data: " .. line
      end
    elseif #data > 0 then
      others[#others + 1] = "data: "
    end
    if #others > 0 then events[#events + 1] = concat(others, "\n") .. "\n\n" end
  end
  return concat(events)
end

-- What of the conditions of rules holds.

local function is_one_of(value, values)
  for _, each in ipairs(values) do
    if each == value then return true end
  end
  return false
end

local function claim_holds(found, claim)
  for _, name in ipairs(claim.path) do
    if type(found) ~= "table" then return false end
    found = found[name]
  end
  if not claim.listed then return type(found) == "string" and is_one_of(found, claim.values) end
  if type(found) ~= "table" then return false end
  for _, each in ipairs(found) do
    if is_one_of(each, claim.values) then return true end
  end
  return false
end

local function has_scope(found, scope)
  for _, name in ipairs({"scope", "scp"}) do
    local said = found[name]
    if type(said) == "table" and is_one_of(scope, said) then return true end
    if type(said) == "string" and find(" " .. said .. " ", " " .. scope .. " ", 1, true) then return true end
  end
  return false
end

local function header_holds(handle, header, allows)
  local said = handle:headers():get(header.name)
  if not said then return false end
  if allows then return handle:headers():getNumValues(header.name) == 1 and is_one_of(said, header.values) end
  for place = 0, handle:headers():getNumValues(header.name) - 1 do
    for each in gmatch(handle:headers():getAtIndex(header.name, place) .. ",", "%s*(.-)%s*,") do
      if is_one_of(each, header.values) then return true end
    end
  end
  return false
end

local function holds(handle, rule, tokens)
  local found = rule.key and (tokens and tokens[rule.key] or {}) or {}
  for _, each in ipairs(rule.claims) do
    if not claim_holds(found, each) then return false end
  end
  for _, each in ipairs(rule.scopes) do
    if not has_scope(found, each) then return false end
  end
  for _, each in ipairs(rule.headers) do
    if not header_holds(handle, each, rule.allows) then return false end
  end
  return true
end

local function context_of(handle)
  local context = handle:filterContext()
  return {deny = context:get("deny") or {}, allow = context:get("allow"), rules = context:get("rules") or {},
    default = context:get("default")}
end

function envoy_on_request(handle)
  local metadata = handle:streamInfo():dynamicMetadata()
  local message = metadata:get(PROTOCOL)
  if not message or message.method ~= "tools/list" then return end
  handle:headers():remove("accept-encoding")
  local holding, tokens = {}, metadata:get(TOKENS)
  for place, rule in ipairs(context_of(handle).rules) do
    holding[place] = holds(handle, rule, tokens) and "1" or "0"
  end
  metadata:set(SPACE, "rules", concat(holding))
end

function envoy_on_response(handle)
  local space = handle:streamInfo():dynamicMetadata():get(SPACE)
  if not space or not space.rules then return end
  if not find(handle:headers():get(":status"), "^2") then return end
  local body = handle:body()
  if not body or body:length() == 0 then return end
  local headers, text = handle:headers(), body:getBytes(0, body:length())  -- what was had before the body is void
  local is_stream = find(headers:get("content-type") or "", "^text/event%-stream")
  local ok, made = pcall(is_stream and filtered_stream or filtered, text, context_of(handle), space.rules)
  local encoded = headers:get("content-encoding")
  if not ok or (encoded and encoded ~= "identity") then
    made = '{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"The list of tools cannot be read."}}'
    headers:replace(":status", "502")
    headers:replace("content-type", "application/json")
    headers:remove("content-encoding")
  end
  local length = body:setBytes(made)
  if headers:get("content-length") then headers:replace("content-length", length) end
end
