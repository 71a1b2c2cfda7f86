-- Uses a component: components/send_message.lua.
return {
    description = "Sends a welcome message.",
    http = "POST /welcome",
    request = { body = { phone = { type = "string", required = true, minLen = 6 } } },
    run = function(ctx, input)
        return ctx.component("send_message", { phone = input.body.phone, text = "welcome" })
    end,
}
