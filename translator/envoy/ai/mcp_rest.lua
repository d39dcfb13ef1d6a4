-- Before Envoy's bridge from the protocol of agents to a service of HTTP.
--
-- The bridge takes requests of one path only, and lets others through to the service as they are: so all have that
-- path, and what is no message (GET, DELETE) is answered here. It reads answers as they come: none is compressed.

function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get(":method") ~= "POST" then
    return handle:respond({[":status"] = "405", ["allow"] = "POST"}, "")
  end
  headers:replace(":path", "/mcp")
  headers:remove("accept-encoding")
end
