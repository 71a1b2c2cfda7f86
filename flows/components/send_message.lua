-- A component: a step that several flows share. Its own ctx calls are nested steps (1.1 of step 1).
return function(ctx, input)
    local answer = ctx.request { url = ctx.env.MESSAGE_URL, json = { phone = input.phone, text = input.text } }
    return { sent = answer.sent }
end
