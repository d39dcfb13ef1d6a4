-- In the cluster of a server beside others.
--
-- Envoy's router of servers breaks down where an answer that it reads is cut off: they come to it once they are whole,
-- but for calls that are answered by a stream of events, which it passes on. It forgets how an answer is compressed.

local SPACE = "headgate.mcp.server"

function envoy_on_request(handle)
  local body = handle:body()
  local text = body and body:getBytes(0, body:length()) or ""
  if string.find(text, '"method"%s*:%s*"tools\\?/call"') then
    handle:streamInfo():dynamicMetadata():set(SPACE, "calls", true)
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local encoding = headers:get("content-encoding")
  if encoding and encoding ~= "identity" then headers:replace(":status", "502") end
  local space = handle:streamInfo():dynamicMetadata():get(SPACE)
  local is_stream = string.find(string.lower(headers:get("content-type") or ""), "^text/event%-stream")
  if is_stream and space and space.calls then return end
  handle:body()
end
