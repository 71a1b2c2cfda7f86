-- SPDX-License-Identifier: MIT
-- What AWS answered to executions that need no other service: status, output, error, cause and history.
local executions = require "support.executions"

describe("recorded executions", function()
    local cases = executions.read "executions.json"
    local machines = {}
    for i, case in ipairs(cases) do
        machines["m" .. i] = case.definition
    end
    local w = executions.new(machines)
    for i, case in ipairs(cases) do
        it(case.id, function()
            w:enter()
            local answered = w:play("m" .. i, case.input).answered
            local id = answered.headers["flowhost-run"]
            assert.is_nil(executions.find_difference(case, w:run(id)))
            if case.events then
                assert.is_nil(executions.find_event_difference(case, executions.history(w, id)))
            end
        end)
    end
end)
