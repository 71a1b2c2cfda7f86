-- SPDX-License-Identifier: MIT
-- Items of distributed Maps from files, and results into files: a bucket is a folder of the setting aws_buckets.

local M = {}

function M.read()
    error({ error = "States.ItemReaderFailed", cause = "no folder of buckets is set" }, 0)
end

function M.write()
    error({ error = "States.ResultWriterFailed", cause = "no folder of buckets is set" }, 0)
end

return M
