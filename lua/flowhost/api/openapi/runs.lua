-- SPDX-License-Identifier: MIT
-- OpenAPI: /v1/runs, looking at them.

local shape = require "flowhost.api.openapi.shape"

local enum, page, ref, text, time = shape.enum, shape.page, shape.ref, shape.text, shape.time

local function limit(most, default)
    return { "limit", { type = "integer", minimum = 1, maximum = most, default = default } }
end

local CURSOR = { "cursor", text, "`next` of the page before" }

local function answer(description, schema, content_type)
    return { { status = 200, description = description, schema = schema, type = content_type } }
end

return { tag = "runs", paths = {
    ["/v1/runs"] = { get = {
        id = "listRuns", summary = "Runs, newest first",
        query = { { "flow", text }, { "status", ref "RunStatus" }, { "tag", text, "name:value" }, { "since", time },
            { "until", time, "excluded" }, limit(1000, 50), CURSOR },
        answers = answer("A page", page(ref "ListedRun")),
    } },
    ["/v1/runs/{id}"] = { get = { id = "getRun", summary = "A run", answers = answer("The run", ref "Run") } },
    ["/v1/runs/{id}/steps"] = { get = {
        id = "listSteps", summary = "What a run did", query = { { "format", enum "text", "a table for people" } },
        answers = answer("All steps in the order of their paths", page(ref "Step")),
    } },
    ["/v1/runs/{id}/journal"] = { get = {
        id = "listEntries", summary = "What a run recorded, as it was recorded", query = { limit(10000, 1000), CURSOR },
        answers = answer("A page", page(ref "Entry")),
    } },
    ["/v1/runs/{id}/events"] = { get = {
        id = "followRun", summary = "What a run does, as it happens",
        headers = { { "Last-Event-ID", text, "go on behind this event" } },
        answers = answer("Server-sent events", text, "text/event-stream"),
    } },
    ["/v1/runs/{id}/why"] = { get = {
        id = "whyRun", summary = "Why a run stands where it stands", answers = answer("A sentence, and the facts",
            ref "Why"),
    } },
    ["/v1/runs/{id}/replay"] = { get = {
        id = "replayRun", summary = "Its steps, replayed in memory",
        query = { { "locals", enum("true", "false") }, { "release", enum("active", "pinned") } },
        answers = answer("The steps that it comes to", ref "Replay"),
    } },
    ["/v1/runs/{id}/log"] = { get = {
        id = "getRunLog", summary = "The log of a rule's run: layers, components, requests",
        answers = answer("The run as a tree", ref "RunLog"),
    } },
    ["/v1/runs/{id}/export"] = { get = {
        id = "exportRun", summary = "A run with all that it takes to go on elsewhere",
        answers = answer("A bundle", shape.anything),
    } },
    ["/v1/runs/{a}/diff/{b}"] = { get = {
        id = "diffRuns", summary = "Where two runs went different ways", answers = answer("The comparison",
            shape.anything),
    } },
} }
