-- SPDX-License-Identifier: MIT
-- Activities and those who work for them: CreateActivity, DescribeActivity, ListActivities, DeleteActivity,
-- GetActivityTask, SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat. What there is of it lies in
-- engine/activities.lua.

local core = require "flowhost.core"
local activities = require "flowhost.engine.activities"
local call_module = require "flowhost.api.aws.call"
local check = require "flowhost.api.aws.check"
local encryption = require "flowhost.api.aws.encryption"
local json_text = require "flowhost.dialect.asl.json_text"
local operations = require "flowhost.api.aws.operations"
local paging = require "flowhost.api.aws.paging"
local resource = require "flowhost.api.aws.resource"
local tags_module = require "flowhost.api.aws.tags"
local token = require "flowhost.engine.token"

local json = core.json

local POLL_MS = 60000
local CONTENT_TYPE = "application/x-amz-json-1.0"
local ACTIVITY = { activity = true }
local CHANGES = "operator"

--- The name of an activity of this account and region; nil after an answer. Whether there is one is another matter.
local function name_of(call)
    local arn = resource.arn(call, call.params.activityArn, ACTIVITY)
    if arn and not resource.is_own(call, arn) then
        call:fail("ActivityDoesNotExist", ("Activity Does Not Exist: '%s'"):format(call.params.activityArn))
        return nil
    end
    return arn and arn.name
end

local function no_activity(call)
    call:fail("ActivityDoesNotExist", ("Activity Does Not Exist: '%s'"):format(call.params.activityArn))
end

local function fail_inside(call, problem)
    call:fail("ServiceUnavailable", problem.detail or ("the store refuses: " .. problem.code))
end

-- activities -------------------------------------------------------------------------------------------

operations.add("CreateActivity", {
    takes = { name = check.NAME, tags = check.TAGS, encryptionConfiguration = encryption.SHAPE },
    run = function(call)
        local tags, problem = tags_module.read(call.params.tags)
        local key, unkeyed = encryption.read(call.params.encryptionConfiguration)
        problem = check.find_name_problem(call.params.name) or problem or unkeyed
        if problem then
            return call:refuse(problem)
        end
        activities.create(call.params.name, { tags = tags, encryption = key }, function(activity, refusal)
            if not activity then
                return fail_inside(call, refusal)
            elseif not encryption.is_same(activity.encryption or encryption.read(nil), key) then
                return call:fail("ActivityAlreadyExists",
                    ("Activity Already Exists: '%s'"):format(call.arns.activity(activity.name)))
            end
            call:reply { activityArn = call.arns.activity(activity.name),
                creationDate = call_module.time(activity.created) }
        end)
    end,
})

local function show(call, activity)
    return { activityArn = call.arns.activity(activity.name), name = activity.name,
        creationDate = call_module.time(activity.created) }
end

operations.add("DescribeActivity", {
    takes = { activityArn = check.ARN },
    run = function(call)
        local name = name_of(call)
        local activity = name and activities.describe(name)
        if not activity then
            return name and no_activity(call)
        end
        local shown = show(call, activity)
        shown.encryptionConfiguration = activity.encryption or encryption.read(nil)
        call:reply(shown)
    end,
})

operations.add("ListActivities", {
    takes = { maxResults = check.MAX_RESULTS, nextToken = check.NEXT_TOKEN },
    run = function(call)
        local place = paging.place(call)
        if place == false then
            return
        end
        local list, last = activities.list { limit = paging.limit(call), after = place }
        local shown = json.array {}
        for i, activity in ipairs(list) do
            shown[i] = show(call, activity)
        end
        call:reply { activities = shown, nextToken = last and paging.token(call, last) }
    end,
})

operations.add("DeleteActivity", {
    takes = { activityArn = check.ARN },
    run = function(call)
        local name = name_of(call)
        if name then
            activities.delete(name, function(problem)
                if problem then
                    return fail_inside(call, problem)
                end
                call:reply()
            end)
        end
    end,
})

tags_module.KINDS.activity = {
    list = function(arn)
        local activity = activities.describe(arn.name)
        return activity and activity.tags
    end,
    change = function(arn, o, _, done)
        activities.tag(arn.name, o, function(problem)
            done(not problem, problem and { code = problem.code == "TooManyTags" and problem.code
                or "ServiceUnavailable", message = problem.detail or problem.code })
        end)
    end,
}

-- workers ----------------------------------------------------------------------------------------------

--- The answer of a long poll. It is begun at once, so that a worker who goes away is known before a task is given to
--- it.
local function open(call, on_gone)
    local gone = token.new(on_gone)
    call.is_answered = true
    local stream = call.request:stream(200, { "Content-Type", CONTENT_TYPE, "x-amzn-RequestId", call.id }, gone)
    return function(value)
        token.drop(gone)
        local is_sent = stream:write(json.encode(value))
        stream:close()
        return is_sent
    end
end

local function poll(call, name)
    local cancel
    local answer = open(call, function()
        cancel()
    end)
    cancel = activities.poll(name, call.params.workerName, POLL_MS, function(task)
        local is_sent = answer(task and { taskToken = task.token, input = task.input } or {})
        if task and not is_sent then
            task.give_back()
        end
    end)
end

operations.add("GetActivityTask", {
    takes = { activityArn = check.ARN, workerName = { "string", min = 1, max = 80 } }, role = CHANGES,
    run = function(call)
        local name = name_of(call)
        if name and not activities.describe(name) then
            no_activity(call)
        elseif name then
            poll(call, name)
        end
    end,
})

local TOKEN = { "string", required = true, min = 1, max = 2048 }

local MESSAGES = {
    InvalidToken = "Invalid Token: 'Invalid token'",
    TaskTimedOut = "Task Timed Out: 'Provided task does not exist anymore'",
    TaskDoesNotExist = "Task Does Not Exist: 'Provided task does not exist'",
}

local function on_sent(call)
    return function(problem)
        if not problem then
            return call:reply()
        elseif problem.code == "InvalidOutput" then
            return call:fail("InvalidOutput", ("Invalid Output: '%s'"):format(json_text.reason(call.params.output)
                or problem.detail))
        elseif MESSAGES[problem.code] then
            return call:fail(problem.code, MESSAGES[problem.code])
        end
        fail_inside(call, problem)
    end
end

operations.add("SendTaskSuccess", {
    takes = { taskToken = TOKEN, output = { "string", required = true } },
    run = function(call)
        activities.succeed(call.params.taskToken, call.params.output, on_sent(call))
    end,
})

operations.add("SendTaskFailure", {
    takes = { taskToken = TOKEN, error = { "string", min = 0, max = 256 }, cause = { "string", min = 0, max = 32768 } },
    run = function(call)
        activities.fail(call.params.taskToken, call.params.error, call.params.cause, on_sent(call))
    end,
})

operations.add("SendTaskHeartbeat", {
    takes = { taskToken = TOKEN },
    run = function(call)
        activities.heartbeat(call.params.taskToken, on_sent(call))
    end,
})
