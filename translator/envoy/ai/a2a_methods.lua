-- Lets in those requests of agents only whose method is among some, and requests for agent cards.
--
-- What the route says (filter context): `allow`, the methods. A request that could be read in another way by an agent
-- than here is refused: with a key twice, in whatever case, or with escapes; in a batch; compressed. So is one whose
-- path names what is done, as in A2A's bindings to REST and gRPC: there an agent reads no method from the message.

local SPACE = "headgate.a2a"
local CARDS = {["/.well-known/agent-card.json"] = true, ["/.well-known/agent.json"] = true}
local OVERRIDES = {"x-http-method-override", "x-http-method", "x-method-override"}

local function refuse(handle, status, code, message)
  local body = format('{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":%s}}', code, quoted(message))
  handle:respond({[":status"] = status, ["content-type"] = "application/json"}, body)
end

local function is_card(path) return CARDS[match(match(path, "^[^?#]*"), "/%.well%-known/[^/]*$") or ""] end

-- Whether a path may be one that takes messages of JSON-RPC, by whatever way an agent reads paths: operations of REST
-- are `…:verb` and `…/pushNotificationConfigs`, of gRPC (and what is like it) `…A2AService/Method`.
local function takes_messages(path)
  local found = lower(match(path, "^[^?#]*"))
  return not find(found, "[^%w/._~@=+,!$'()*-]") and not find(found, "pushnotificationconfig", 1, true)
    and not find(found, "a2aservice/", 1, true)
end

-- The method of a message of JSON-RPC.
local function method_of(text)
  local method
  for _, each in ipairs(map_of(text)) do
    if find(each.key, "\\", 1, true) then bad() end
    if lower(each.key) == "method" then
      if method or each.key ~= "method" then bad() end
      method = plain(text, each) or bad()
    end
  end
  return method or bad()
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local verb = headers:get(":method")
  for _, each in ipairs(OVERRIDES) do
    if headers:get(each) then return refuse(handle, "403", -32600, "The method of HTTP must not be overridden.") end
  end
  if verb == "GET" or verb == "HEAD" then
    if is_card(headers:get(":path")) then return end
    return refuse(handle, "403", -32600, "Only agent cards may be read.")
  end
  local encoding, kind = headers:get("content-encoding"), lower(headers:get("content-type") or "")
  if verb ~= "POST" or (encoding and lower(encoding) ~= "identity")
      or not find(kind, "^application/json%s*$") and not find(kind, "^application/json%s*;%s*charset=\"?utf%-8\"?%s*$") then
    return refuse(handle, "403", -32600, "Only messages of JSON-RPC may be sent.")
  end
  if not takes_messages(headers:get(":path")) then
    return refuse(handle, "403", -32600, "The path is none for messages of JSON-RPC.")
  end
  local body = handle:body()
  local ok, method = pcall(function() return method_of(body:getBytes(0, body:length())) end)
  if not ok then return refuse(handle, "400", -32700, "The message cannot be read.") end
  handle:streamInfo():dynamicMetadata():set(SPACE, "method", method)
  for _, each in ipairs(handle:filterContext():get("allow")) do
    if each == method then return end
  end
  refuse(handle, "403", -32601, "The method " .. method .. " is not allowed.")
end
