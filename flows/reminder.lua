-- Answers at once and goes on later. The wait is on disk: it ends on time even if the host is killed meanwhile.
return {
    description = "Sends a message after some seconds.",
    http = "POST /reminder",
    request = { body = {
        phone = { type = "string", required = true },
        after = { type = "float", default = 5, min = 0 },
    } },
    run = function(ctx, input)
        ctx.response({ accepted = ctx.trx() }, { status = 202 })
        ctx.sleep(input.body.after)
        return ctx.component("send_message", { phone = input.body.phone, text = "do not forget" })
    end,
}
