-- SPDX-License-Identifier: MIT
-- Encryption configurations of state machines and activities: kept and shown, nothing else.

local M = {}

local REUSE_S = 300

--- As check.lua says.
M.SHAPE = { "structure", fields = {
    type = { "string", required = true, enum = { "AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY" } },
    kmsKeyId = { "string", min = 1, max = 2048 },
    kmsDataKeyReusePeriodSeconds = { "integer", min = 60, max = 900 } } }

--- A configuration with what it leaves out; nil, problem.
function M.read(given)
    if not given or given.type == "AWS_OWNED_KEY" then
        return { type = "AWS_OWNED_KEY" }
    elseif not given.kmsKeyId then
        return nil, { code = "InvalidEncryptionConfiguration",
            message = "Invalid Encryption Configuration: kmsKeyId must be specified for CUSTOMER_MANAGED_KMS_KEY" }
    end
    return { type = given.type, kmsKeyId = given.kmsKeyId,
        kmsDataKeyReusePeriodSeconds = given.kmsDataKeyReusePeriodSeconds or REUSE_S }
end

--- Whether two of them are the same.
function M.is_same(a, b)
    return a.type == b.type and a.kmsKeyId == b.kmsKeyId
        and a.kmsDataKeyReusePeriodSeconds == b.kmsDataKeyReusePeriodSeconds
end

return M
