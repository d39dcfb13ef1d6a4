-- Before Envoy's bridge from the protocol of agents to a service of HTTP.
--
-- The bridge takes requests of one path only, and lets others through to the service as they are: so all have that
-- path, and what is no message (GET, DELETE) is answered here, as pings are, which it does not know. It reads answers
-- as they come: none is compressed. Cookies of the service are not for agents.

-- The id of a ping, as it is written; nil of another message.
local function pinged(text)
  local id, method
  for _, each in ipairs(map_of(text)) do
    if each.key == "id" then id = sub(text, each.from, each.to - 1) end
    if each.key == "method" then method = plain(text, each) end
  end
  return method == "ping" and id
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get(":method") ~= "POST" then
    return handle:respond({[":status"] = "405", ["allow"] = "POST"}, "")
  end
  headers:replace(":path", "/mcp")
  headers:remove("accept-encoding")
  local body = handle:body()
  if not body then return end
  local ok, id = pcall(pinged, body:getBytes(0, body:length()))
  if not ok or not id then return end
  local answer = '{"jsonrpc":"2.0","id":' .. id .. ',"result":{}}'
  handle:respond({[":status"] = "200", ["content-type"] = "application/json"}, answer)
end

function envoy_on_response(handle) handle:headers():remove("set-cookie") end
