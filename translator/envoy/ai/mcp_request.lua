-- Refuses requests that a server could read in another way than Envoy's filter for the protocol does, which comes next.
--
-- Servers may ignore the case of keys (Go's JSON does, and folds two letters beyond ASCII): next to those that the
-- filter reads there is none that differs from them in case only, or has other letters. JSON is that of RFC 8259.

local MOST = 1024 * 1024
local KEYS = {jsonrpc = true, id = true, method = true, params = true, result = true, error = true}
local OF_PARAMS = {name = true, uri = true, arguments = true, _meta = true}
local NAMES = {["tools/call"] = "name", ["prompts/get"] = "name", ["resources/read"] = "uri",
  ["resources/subscribe"] = "uri", ["resources/unsubscribe"] = "uri"}

local function refuse(handle, status, code, message)
  local body = format('{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":%s}}', code, quoted(message))
  handle:respond({[":status"] = status, ["content-type"] = "application/json"}, body)
end

-- The members of a map by their keys; those that a server could take for one of `known`, or for one another, are none.
local function distinct(found, known)
  local made, seen = {}, {}
  for _, each in ipairs(found) do
    if find(each.key, "[\\\128-\255]") then error("a key has other characters than those of ASCII, or escapes", 0) end
    local folded = lower(each.key)
    if seen[folded] then error("a key is there twice: " .. each.key, 0) end
    if known[folded] and folded ~= each.key then error("a key has to be " .. folded .. ": " .. each.key, 0) end
    seen[folded] = true
    made[each.key] = each
  end
  return made
end

local function is_only(headers, name, text, value)
  if not headers:get(name) then return true end
  return headers:getNumValues(name) == 1 and value and headers:get(name) == plain(text, value)
end

-- Throws what is wrong with a message.
local function check(headers, text)
  local found = distinct(map_of(text), KEYS)
  if found.method and (found.result or found.error) then error("it is a request and an answer", 0) end
  local params = {}
  if found.params and byte(text, found.params.from) == 123 then
    params = distinct(members(text, found.params.from, 1), OF_PARAMS)
  end
  -- From the version 2026 on, the filter compares these headers by itself, which may be encoded.
  if find(headers:get("mcp-protocol-version") or "", "^20[2-9][0-9]%-") and
      headers:get("mcp-protocol-version") >= "2026" then return end
  local named = found.method and NAMES[plain(text, found.method) or ""]
  if not is_only(headers, "mcp-method", text, found.method) then error("Mcp-Method is not the method", 0) end
  if not is_only(headers, "mcp-name", text, named and params[named]) then error("Mcp-Name is not the name", 0) end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get(":method") ~= "POST" then return end
  local kind, encoding = lower(headers:get("content-type") or ""), headers:get("content-encoding")
  if not match(kind, "^application/json%s*$") and not match(kind, '^application/json%s*;%s*charset="?utf%-8"?%s*$') then
    return refuse(handle, "400", -32600, "Messages have to be of the type application/json.")
  end
  if encoding and lower(encoding) ~= "identity" then
    return refuse(handle, "400", -32600, "Messages must not be compressed.")
  end
  headers:replace("content-type", "application/json")
  local body = handle:body()
  headers = handle:headers()  -- what was had before the body is void
  local length = body and body:length() or 0
  if length > MOST then return refuse(handle, "413", -32600, "The message is longer than 1 MiB.") end
  if length == 0 then return refuse(handle, "400", -32700, "There is no message.") end
  local ok, fault = pcall(check, headers, body:getBytes(0, length))
  if ok then return end
  local said = fault == BAD and "it is no JSON object in UTF-8, is nested too deeply, or more than one"
    or type(fault) == "string" and fault or "it cannot be"
  refuse(handle, "400", -32700, "The message cannot be read: " .. said .. ".")
end
