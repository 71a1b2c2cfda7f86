-- A partner calls back and proves who it is: by the HMAC of the time and the body, in two headers. What was signed are
-- the bytes of the body, so `raw` asks for them.
local MAX_AGE = 300

local function is_good(ctx, input)
    local header = input.header
    local age = ctx.now() - (tonumber(header["x-time"]) or 0)
    local expected = ctx.hmac.sha256(ctx.env.CALLBACK_KEY, header["x-time"] .. "." .. input.raw)
    return math.abs(age) <= MAX_AGE and ctx.hmac.equal(expected, header["x-signature"])
end

return {
    description = "Takes a callback whose signature holds.",
    http = "POST /signed_callback",
    raw = true,
    request = { header = {
        ["x-time"] = { type = "string", required = true },
        ["x-signature"] = { type = "string", required = true },
    } },
    run = function(ctx, input)
        if not is_good(ctx, input) then
            ctx.response({ error = "the signature does not hold" }, { status = 401 })
            return
        end
        return { paid = input.body.order }
    end,
}
