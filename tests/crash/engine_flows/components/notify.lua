return function(ctx, input)
    return ctx.request { url = ctx.env.URL .. "/flaky/3", json = input }.path
end
