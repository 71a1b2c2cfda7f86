-- Waits for a person: a signal, sent over the API or by whoever opens the link in the message. It may take days; the
-- run is on disk meanwhile and costs no memory.
local DAY = 86400

return {
    description = "Asks for an approval and waits three days for it.",
    http = "POST /approval",
    request = { body = {
        phone = { type = "string", required = true },
        amount = { type = "int", default = 100 },
    } },
    run = function(ctx, input)
        local text = ("approve %d?"):format(input.body.amount)
        local link = ctx.signal_url("approve", { data = { by = "link" }, expires = 3 * DAY, title = text })
        ctx.response({ waiting = ctx.trx() }, { status = 202 })
        ctx.component("send_message", { phone = input.body.phone, text = text .. " " .. link }, { retry = 3 })
        local ok, answer = pcall(ctx.wait, "approve", { timeout = 3 * DAY })
        if ok then
            return { approved = true, by = answer and answer.by }
        elseif answer.code == "TIMEOUT" then
            return { approved = false }
        end
        error(answer)
    end,
}
