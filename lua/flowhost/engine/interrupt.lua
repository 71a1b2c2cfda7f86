-- SPDX-License-Identifier: MIT
-- Ending what is being waited for: of a run that is over, of branches that have lost, of a step whose time is over.

local commit = require "flowhost.engine.commit"
local effect_module = require "flowhost.engine.effect"
local fiber_module = require "flowhost.engine.fiber"
local parking = require "flowhost.engine.parking"
local step = require "flowhost.engine.step"

local M = {}

--- One effect. `is_aborted`: what it has begun outside is undone, too.
local function drop(run, effect, is_aborted)
    effect_module.remove(run, effect)
    effect.is_over = true
    if effect.cancel then
        effect.cancel()
    end
    if is_aborted and effect.abort and effect.opened then
        effect.abort(effect)
    end
end

--- Undoes everything a run waits for. Its fibers are never resumed. `is_aborted`: what it has begun outside (child
--- runs) is ended as well.
function M.cancel_all(run, is_aborted)
    local effects = run.effects
    if effects then
        run.effects, run.busy, run.ready, run.replaying = nil, 0, nil, nil
        for effect in pairs(effects) do
            drop(run, effect, is_aborted)
        end
    end
end

--- Ends a fiber, and the branches below it, where they wait.
function M.kill(fiber)
    fiber.has_ended = true
    M.drop_waiting(fiber)
end

--- Ends what a fiber waits for, but not the fiber.
function M.drop_waiting(fiber)
    local waiting = fiber.waiting
    if waiting and waiting.fibers then
        waiting.is_decided = true
        for _, branch in pairs(waiting.fibers) do
            M.kill(branch)
        end
    elseif waiting and not waiting.is_over then
        waiting.fiber = waiting.fiber or fiber
        drop(fiber.run, waiting, true)
    end
end

--- Ends what a fiber waits for with an error, on record. The fiber goes on with it.
function M.with_error(fiber, err)
    local run, waiting = fiber.run, fiber.waiting
    parking.stay(run)
    M.drop_waiting(fiber)
    waiting.is_over = true
    if waiting.path then
        step.record_error(fiber, waiting, err)
    end
    fiber_module.resume(fiber, false, err)
    effect_module.play(run)
    commit.flush_soon(run)
end

return M
