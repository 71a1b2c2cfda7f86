-- SPDX-License-Identifier: MIT
-- Which step of which run is behind something that leaves the host: the engine does not tell its client. So the fibers
-- of a world are watched: what they yield to the engine says what it stands for.

local M = {}

--- To be called once, before anything runs in the world. The step whose act is being called is world.acting.
function M.watch(world)
    local fiber_module = world:module "flowhost.engine.fiber"
    local wait = fiber_module.wait
    function fiber_module.wait(effect)
        local act = effect.act
        if act then
            local run = fiber_module.current.run
            local origin = { run = run.id, flow = run.flow, path = effect.path, line = effect.line }
            function effect.act(...)
                world.acting = origin
                local cancel = act(...)
                world.acting = nil
                return cancel
            end
        end
        return wait(effect)
    end
end

--- { run = id, flow = name, path = , line = "file:12" } of what is being started now.
function M.now(world)
    return world.acting or {}
end

--- The place of the run that is being executed: run id and number of the step; nil outside of a flow.
function M.place(world)
    local fiber = world:module("flowhost.engine.fiber").current
    if fiber then
        local scope = fiber.scope
        return ("%s/%s.%d"):format(fiber.run.id, scope.path or scope.prefix, scope.n)
    end
end

return M
