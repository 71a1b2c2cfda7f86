-- SPDX-License-Identifier: MIT
-- Our side of bench_jsonata.py: luajit bench_jsonata.lua CASES.json prints microseconds per call, one line a case, or
-- the results with --results. LUA_PATH on lua/ and tests/lua/.
local json = require "support.json"
local jsonata = require "flowhost.expr.jsonata"

local ROUNDS, SECONDS = 5, 0.3

local engine = jsonata.new { null = json.null, array = json.array, is_array = json.is_array }

local function measure(expression, input)
    local times = {}
    for round = 1, ROUNDS do
        local begin, calls, took = os.clock(), 0
        repeat
            for _ = 1, 3 do
                expression.evaluate(input)
            end
            calls = calls + 3
            took = os.clock() - begin
        until took >= SECONDS
        times[round] = took / calls * 1e6
    end
    table.sort(times)
    return times[math.ceil(ROUNDS / 2)]
end

local file = assert(io.open(arg[1]))
local data = assert(json.decode(file:read "*a"))
file:close()
for _, case in ipairs(data.cases) do
    local expression = assert(engine.compile(case[2]))
    if arg[2] == "--results" then
        print((json.encode(expression.evaluate(data.input))))
    else
        print(("%.3f"):format(measure(expression, data.input)))
    end
end
