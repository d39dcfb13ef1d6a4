-- Puts a provider's own prefix in the place of the first element of the path that Envoy's translator has written.

local PREFIX = "x-headgate-ai-prefix"

function envoy_on_request(handle)
  local headers = handle:headers()
  local prefix = headers:get(PREFIX)
  headers:remove(PREFIX)
  local rest = (headers:get(":path") or ""):match("^/[^/]*(/.*)$")
  if not prefix or not rest then
    handle:respond({[":status"] = "500"}, "The request could not be prepared for its provider.")
    return
  end
  headers:replace(":path", prefix .. rest)
end
