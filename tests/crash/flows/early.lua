-- Answers its caller first and goes on working.
return {
    http = "POST /early",
    run = function(ctx, input)
        local user = ctx.request { url = ctx.env.USER_URL, json = { number = input.body.number } }
        ctx.response { user = user, token = ctx.uuid() }
        return ctx.request { url = ctx.env.MESSAGE_URL, json = { user_id = user.id } }
    end,
}
