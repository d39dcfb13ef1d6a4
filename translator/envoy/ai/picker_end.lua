-- Has a stream to an endpoint picker that ends in order be one that fails.
--
-- Envoy itself ends streams that are done, and hears no more of them. So a picker that ends one has left a request or
-- its response unfinished; Envoy would go on without what of their bodies it has sent to the picker.

local function fail(found)
  if found and found:get("grpc-status") == "0" then
    found:replace("grpc-status", "14")
    found:replace("grpc-message", "the endpoint picker has ended the stream too early")
  end
end

function envoy_on_response(handle)
  fail(handle:headers())
  fail(handle:trailers())
end
