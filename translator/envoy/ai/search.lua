-- Searches by automata (`translator.languages.automata`): one step for each byte, whatever the text is.

local END = 1  -- of the starts of an automaton: those at the beginning, after a newline, a byte of a word, another one
local AFTER_NEWLINE, AFTER_WORD, AFTER_OTHER = 2, 3, 4
local TOO_COSTLY = {}  -- thrown, and compared by identity
local REPEATS = 16  -- how many times over a text may be searched, where matches overlap with what is looked at behind them

local function start_after(found, code)
  if not code then return found.starts[END] end
  if code == 10 then return found.starts[AFTER_NEWLINE] end
  local is_word = (code > 47 and code < 58) or (code > 64 and code < 91) or (code > 96 and code < 123) or code == 95
  return found.starts[is_word and AFTER_WORD or AFTER_OTHER]
end

-- An automaton as it is run: states are the places of their rows, and -1 is the end.
local function automaton_of(found)
  local classes, columns = {}, 1
  for i = 1, found.classes.n do
    classes[i - 1] = found.classes[i] + 1
    columns = math.max(columns, found.classes[i] + 2)
  end
  local function place_of(state) return state == 0 and -1 or (state - 1) * columns end
  local made = {classes = classes, columns = columns, starts = {}, next = {}, hits = {}}
  for i = 1, found.starts.n do made.starts[i] = place_of(found.starts[i]) end
  for i = 1, found.steps.n do
    local step = found.steps[i]
    made.next[i], made.hits[i] = place_of(floor(step / 2)), step % 2 == 1
  end
  return made
end

-- Where the first match behind a place ends: the place behind its last byte, or nil; and where the search ended. With
-- `any` the search ends as soon as there is a match.
local function find_end(found, text, place, any)
  local classes, steps, hits = found.classes, found.next, found.hits
  local state, last = start_after(found, place > 1 and byte(text, place - 1)), nil
  for i = place, #text do
    local step = state + classes[byte(text, i)]
    if hits[step] then
      last = i
      if any then return last, i end
    end
    state = steps[step]
    if state < 0 then return last, i end
  end
  if hits[state + found.columns] then last = #text + 1 end
  return last, #text
end

-- Where the match begins that ends before a place; not before `first`.
local function find_start(found, text, first, place)
  local classes, steps, hits = found.classes, found.next, found.hits
  local state, last = start_after(found, byte(text, place)), nil
  for i = place - 1, first, -1 do
    local step = state + classes[byte(text, i)]
    if hits[step] then last = i + 1 end
    state = steps[step]
    if state < 0 then return last end
  end
  local code = first > 1 and byte(text, first - 1)
  if hits[state + (code and classes[code] or found.columns)] then last = first end
  return last
end

local function is_found(pattern, text) return find_end(pattern.forward, text, 1, true) ~= nil end

-- The text with all matches replaced; nil if there is none.
local function replace_all(pattern, text, by)
  local made, place, left = {}, 1, #text * REPEATS
  while place <= #text do
    local last, looked_at = find_end(pattern.forward, text, place)
    if not last then break end
    left = left - (looked_at - place) - 1
    if left < 0 then error(TOO_COSTLY, 0) end
    local first = find_start(pattern.backward, text, place, last)
    made[#made + 1] = sub(text, place, first - 1)
    made[#made + 1] = by
    place = last
  end
  if #made == 0 then return nil end
  made[#made + 1] = sub(text, place)
  return concat(made)
end
