-- Child runs: the flow `welcome` for each user, ten at a time. One that does not come to its end is given up after an
-- hour; the others are not disturbed.
return {
    description = "Welcomes many users and counts how many were reached.",
    http = "POST /campaign",
    request = { body = {
        name = { type = "string", required = true, maxLen = 60 },
        phones = { type = "slice", required = true },
    } },
    run = function(ctx, input)
        local phones, done, reached = input.body.phones, 0, 0
        ctx.tag("campaign", input.body.name)
        ctx.map(phones, function(phone)
            local ok = pcall(ctx.call, "welcome", { body = { phone = phone } }, { timeout = 3600 })
            done, reached = done + 1, reached + (ok and 1 or 0)
            ctx.progress(done, #phones)
        end, { concurrency = 10 })
        return { reached = reached, of = #phones }
    end,
}
