-- Has an agent card tell the addresses at which clients reach the agent through the gateway.
--
-- What the route says (filter context): `public`, the address, if it is not that of the request; `from` and `to`, the
-- prefix of the path that is replaced on the way to the agent. The path of an address stays, as far as it is not that
-- prefix. What an agent offers elsewhere than at its main address is left out: the gateway does not lead there.

local SPACE = "headgate.a2a"
local LISTS = {supportedInterfaces = true, additionalInterfaces = true}
local LONGEST = 1024 * 1024
local LONG = "the agent card is over 1 MiB, so it still tells the addresses of the agent itself"
local SIGNED = "the agent card is signed, so it still tells the addresses of the agent itself"

-- A path without a prefix; nil if it does not begin with it.
local function without(path, prefix)
  if prefix == "" then return path end
  if sub(path, 1, #prefix) ~= prefix then return nil end
  local rest = sub(path, #prefix + 1)
  return (rest == "" or byte(rest) == 47) and rest or nil
end

function envoy_on_request(handle)
  local headers, context = handle:headers(), handle:filterContext()
  local prefix = match(headers:get(":path"), "^([^?#]*)/%.well%-known/") or ""
  local scheme = headers:get("x-forwarded-proto") or headers:get(":scheme") or "http"
  local base = context:get("public") or scheme .. "://" .. (headers:get(":authority") or "") .. prefix
  local from, upstream = context:get("from"), prefix
  local rest = from and without(prefix, from)
  if rest then upstream = context:get("to") .. rest end
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set(SPACE, "base", (gsub(base, "/+$", "")))
  metadata:set(SPACE, "upstream", (gsub(upstream, "/+$", "")))
  -- What the agent tells a card by is the same whatever addresses are in it.
  for _, each in ipairs({"accept-encoding", "if-none-match", "if-modified-since", "range"}) do headers:remove(each) end
end

local function parts_of(url)
  local scheme, authority, rest = match(url or "", "^([Hh][Tt][Tt][Pp][Ss]?)://([^/?#]+)(.*)$")
  if not scheme then return nil end
  return (gsub(lower(authority), lower(scheme) == "http" and ":80$" or ":443$", "")), rest
end

-- The name of a member, which may be written with escapes.
local function name_of(each)
  return (gsub(each.key, "\\u00(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end

-- The member of an interface that is its address; none if it has two, of which a client takes another.
local function url_of(text, map)
  local found
  for _, each in ipairs(members(text, map.from, 0)) do
    if name_of(each) == "url" then
      if found then return nil end
      found = each
    end
  end
  if found then return found, plain(text, found) end
end

-- A card with other addresses; nil if it is signed.
local function rewritten(text, base, upstream)
  text = gsub(text, "^\239\187\191", "")
  local agent, changes, lists = nil, {}, {}
  local function public(url)
    local authority, rest = parts_of(url)
    if not authority or (agent and authority ~= agent) then return nil end
    return base .. (without(rest, upstream) or rest)
  end
  for _, each in ipairs(map_of(text)) do
    local first, name = byte(text, each.from), name_of(each)
    if name == "signatures" and first == 91 and #members(text, each.from, 0) > 0 then return nil end
    if name == "url" then
      agent = parts_of(plain(text, each))
      changes[#changes + 1] = {from = each.from, to = each.to, text = quoted(public(plain(text, each)) or base)}
    elseif LISTS[name] and first == 91 then
      lists[#lists + 1] = each
    end
  end
  for _, list in ipairs(lists) do
    local kept = {}
    for _, item in ipairs(members(text, list.from, 0)) do
      local at, url = nil, nil
      if byte(text, item.from) == 123 then at, url = url_of(text, item) end
      agent = agent or parts_of(url)
      local found = public(url)
      if found then
        kept[#kept + 1] = sub(text, item.from, at.from - 1) .. quoted(found) .. sub(text, at.to, item.to - 1)
      end
    end
    changes[#changes + 1] = {from = list.from, to = list.to, text = "[" .. concat(kept, ",") .. "]"}
  end
  table.sort(changes, function(one, other) return one.from < other.from end)
  local made, place = {}, 1
  for _, each in ipairs(changes) do
    made[#made + 1] = sub(text, place, each.from - 1) .. each.text
    place = each.to
  end
  made[#made + 1] = sub(text, place)
  return concat(made)
end

function envoy_on_response(handle)
  local known = handle:streamInfo():dynamicMetadata():get(SPACE)
  if not known or not known.base or handle:headers():get(":status") ~= "200" then return end
  local length = tonumber(handle:headers():get("content-length") or "")
  if length and length > LONGEST then
    handle:logWarn(LONG)
    handle:headers():replace("x-headgate-warning", LONG)
    return
  end
  local body = handle:body()
  if not body then return end
  local headers = handle:headers()  -- what was had before the body is void
  local encoding, text = headers:get("content-encoding"), body:getBytes(0, body:length())
  local ok, made = false, nil
  if not encoding or encoding == "identity" then ok, made = pcall(rewritten, text, known.base, known.upstream) end
  if not ok or not made then
    local reason = ok and SIGNED or "the agent card cannot be read, so it is passed on as it is"
    handle:logWarn(reason)
    headers:replace("x-headgate-warning", reason)
    return
  end
  length = body:setBytes(made)
  if headers:get("content-length") then headers:replace("content-length", length) end
  for _, each in ipairs({"etag", "last-modified", "content-digest", "digest"}) do headers:remove(each) end
end
