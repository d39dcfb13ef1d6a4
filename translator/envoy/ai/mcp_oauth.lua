-- Tells agents where they get tokens for the server: metadata of the resource (RFC 9728), and those of the issuer for
-- agents that look for these here.
--
-- What the route says (filter context): `path`, that of the metadata; `origin` of the resource, "" for that of the
-- request; `resource`, its path; `members`, the rest of the metadata as JSON; `cluster`, `host` and `paths` of the
-- issuer, if its metadata are served.

local OF_ISSUER = "/.well-known/oauth-authorization-server"
local MILLISECONDS = 5000

local function headers_for(status)
  return {
    [":status"] = status, ["content-type"] = "application/json", ["cache-control"] = "max-age=300",
    ["access-control-allow-origin"] = "*", ["access-control-allow-methods"] = "GET",
    ["access-control-allow-headers"] = "mcp-protocol-version",
  }
end

local function resource_of(headers, context)
  local origin = context:get("origin")
  if origin ~= "" then return origin .. context:get("resource") end
  local host = headers:get(":authority") or ""
  if not string.find(host, "^[%w.:_%[%]-]+$") then return nil end
  return (headers:get(":scheme") or "https") .. "://" .. host .. context:get("resource")
end

local function of_issuer(handle, cluster, host, paths)
  for _, each in ipairs(paths) do
    local request = {[":method"] = "GET", [":path"] = each, [":authority"] = host, ["accept"] = "application/json"}
    local headers, body = handle:httpCall(cluster, request, nil, MILLISECONDS)
    if headers and headers[":status"] == "200" and body and string.find(body, "^%s*{") then return body end
  end
end

function envoy_on_request(handle)
  local headers, context = handle:headers(), handle:filterContext()
  local path = string.match(headers:get(":path") or "", "^[^?]*")
  local is_own = path == context:get("path")
  if not is_own and not (path == OF_ISSUER and context:get("cluster")) then return end
  local method = headers:get(":method")
  if method == "OPTIONS" then return handle:respond(headers_for("204"), "") end
  if method ~= "GET" and method ~= "HEAD" then return handle:respond(headers_for("405"), "{}") end
  if not is_own then
    local found = of_issuer(handle, context:get("cluster"), context:get("host"), context:get("paths"))
    return handle:respond(headers_for(found and "200" or "502"), found or '{"error":"server_error"}')
  end
  local resource = resource_of(headers, context)
  if not resource then return handle:respond(headers_for("400"), "{}") end
  handle:respond(headers_for("200"), '{"resource":"' .. resource .. '",' .. context:get("members") .. "}")
end
