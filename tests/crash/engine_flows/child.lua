return function(ctx, input)
    local answer = ctx.request { url = ctx.env.URL .. "/ok/child", json = { number = input.number } }
    ctx.sleep(0.01)
    return { number = input.number, path = answer.path }
end
