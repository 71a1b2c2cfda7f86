return function(ctx, input)
    local answer = ctx.request { url = ctx.env.MESSAGE_URL, json = { user_id = input.user_id } }
    return { id = answer.id, label = ctx.uuid() }
end
