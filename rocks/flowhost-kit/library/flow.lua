---@meta flowhost.flow
-- SPDX-License-Identifier: MIT
-- What a flow's file returns, and what it is called with.

---Input of a run that an HTTP request started. Other runs get the JSON they were started with.
---@class flowhost.HttpInput
---@field query table<string, string>
---@field body any                        decoded JSON
---@field header table<string, string>    names in lower case
---@field path string
---@field method string
---@field params table<string, string>    of {name} in the flow's path
---@field raw? string                     the body as it came, with `raw = true`

---@class flowhost.Flow
---@field description? string
---@field http? string        "POST /path/{name}": the flow's own route
---@field request? table      what the input must be, see docs/guide/first-flow.md
---@field raw? boolean        hands the body over as it came too, which need not be JSON then
---@field durable? "always"|"on_error"|"never"  whether the run is on disk; on_error: once it does not succeed
---@field on_error? "suspend"|"fail"    what an error that nobody catches does; default "suspend"
---@field timeout? number               seconds for the whole run; then it is `timed_out`
---@field record? boolean               keeps a summary of runs that are not on disk
---@field retention? { age: number|string?, count: integer? }  how long ended runs are kept: seconds or "30d", how many
---@field run fun(ctx: flowhost.Ctx, input: any): any

---A file under components/.
---@alias flowhost.Component fun(ctx: flowhost.Ctx, input: any): any
